package boltstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
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
	h := fnv.New64a()
	fmt.Fprint(h, key, round)
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	b := make([]byte, 16+r.IntN(9000))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	binary.BigEndian.PutUint64(b, uint64(key))
	binary.BigEndian.PutUint64(b[8:], uint64(round))
	return b
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
	may := make([]map[string]bool, writerKeys) // what each key may hold, by the last that was said of it
	for key := range may {
		may[key] = map[string]bool{"": true}
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
			if !may[key][string(rec.Value)] {
				t.Fatalf("key %d holds %d bytes that nobody wrote last", key, len(rec.Value))
			}
			may[key] = map[string]bool{string(rec.Value): true}
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
func runWriter(t *testing.T, path string, first, acknowledgements int, after time.Duration, may []map[string]bool) (acknowledged, last int) {
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
		value := ""
		if what == "set" || what == "setting" {
			value = string(written(key, round))
		}
		last = max(last, round)
		switch what {
		case "setting", "deleting":
			may[key][value] = true
		default:
			may[key] = map[string]bool{value: true}
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
