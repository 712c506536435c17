package boltstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// writerFile is set in a process that is to write until it is killed.
const writerFile = "BOLTSTORE_WRITER_FILE"

const writerKeys = 40

// written is the value of a key in a round: it tells both, and is long enough to
// need several pages at times.
func written(key, round int) []byte {
	r := rand.New(rand.NewPCG(uint64(key), uint64(round)))
	b := binary.BigEndian.AppendUint64(nil, uint64(key))
	b = binary.BigEndian.AppendUint64(b, uint64(round))
	for range r.IntN(1100) {
		b = binary.BigEndian.AppendUint64(b, r.Uint64())
	}
	return b
}

// nothing stands for a round in which a key was deleted, or before all.
const nothing = -1

// roundOf is the round in which a value was written.
func roundOf(t *testing.T, key int, rec storage.Record) int {
	t.Helper()
	if !rec.Found {
		return nothing
	}
	if len(rec.Value) >= 16 {
		round := int(binary.BigEndian.Uint64(rec.Value[8:]))
		if bytes.Equal(rec.Value, written(key, round)) {
			return round
		}
	}
	t.Fatalf("key %d holds %d bytes that nobody wrote", key, len(rec.Value))
	return nothing
}

// writeForEver has several writers, each of which tells what it began to write,
// and what was acknowledged.
func writeForEver(path string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	s, err := Open(context.Background(), path, Options{})
	fail(err)
	var out sync.Mutex
	say := func(what string, key, round int) {
		out.Lock()
		defer out.Unlock()
		_, err := fmt.Println(what, key, round) // unbuffered: what is said is said
		fail(err)
	}
	first, err := strconv.Atoi(os.Getenv("BOLTSTORE_WRITER_ROUND"))
	fail(err)
	for w := range 4 {
		go func() {
			for round := first; ; round++ {
				for key := w; key < writerKeys; key += 4 {
					if round%5 == 4 {
						say("deleting", key, round)
						_, err := s.Delete(context.Background(), fmt.Sprint(key))
						fail(err)
						say("deleted", key, round)
						continue
					}
					say("setting", key, round)
					fail(s.Set(context.Background(), fmt.Sprint(key), written(key, round), storage.Forever))
					say("set", key, round)
				}
			}
		}()
	}
	select {}
}

// TestKill kills a process that writes, over and over, and each time finds all
// that was acknowledged, or what was begun after it.
func TestKill(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "store.db")
	may := make([]map[int]bool, writerKeys) // of which rounds each key may be, by the last that was said of it
	for key := range may {
		may[key] = map[int]bool{nothing: true}
	}
	acknowledged, last := 0, 0
	for range rounds {
		n, round := runWriter(t, path, last, 1+random.IntN(150), time.Duration(random.IntN(10_000))*time.Microsecond, may)
		acknowledged += n
		last = max(last, round) + 1
		s := open(t, path, Options{})
		for key := range may {
			rec, err := s.Get(context.Background(), fmt.Sprint(key))
			if err != nil {
				t.Fatalf("key %d: %v", key, err)
			}
			round := roundOf(t, key, rec)
			if !may[key][round] {
				t.Fatalf("key %d is of round %d, of which it can't be: %v", key, round, may[key])
			}
			may[key] = map[int]bool{round: true}
		}
		sound(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d writes were acknowledged in %d lives", acknowledged, rounds)
	if acknowledged < rounds {
		t.Errorf("only %d writes were acknowledged", acknowledged)
	}
}

// runWriter starts a writer and kills it so long after so many acknowledgements.
func runWriter(t *testing.T, path string, first, acknowledgements int, after time.Duration, may []map[int]bool) (acknowledged, last int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), writerFile+"="+path, "BOLTSTORE_WRITER_ROUND="+strconv.Itoa(first))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() }) // if it hangs
	defer kill.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() { // to the end: what was said before the kill counts
		var what string
		var key, round int
		if _, err := fmt.Sscan(lines.Text(), &what, &key, &round); err != nil {
			break // cut short
		}
		last = max(last, round)
		holds := round
		if what == "deleting" || what == "deleted" {
			holds = nothing
		}
		switch what {
		case "setting", "deleting":
			may[key][holds] = true
		default:
			may[key] = map[int]bool{holds: true}
			if acknowledged++; acknowledged == acknowledgements {
				kill.Reset(after)
			}
		}
	}
	_ = cmd.Wait() // killed
	if stderr.Len() > 0 {
		t.Fatalf("the writer says: %s", stderr.String())
	}
	return acknowledged, last
}
