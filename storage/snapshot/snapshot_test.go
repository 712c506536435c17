package snapshot_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/snapshot"
)

var errStub = errors.New("stub")

type texts = snapshot.Format[string, string]

// kept is an entry as a test compares it.
type kept struct {
	key, value              string
	created, update, expire entry.Instant
}

// some are entries whose order is none that sorting would give.
var some = []kept{
	{"c", "three", 7, 8, 9},
	{"a", "one", -5, 0, entry.Never},
	{"", "", math.MinInt64 / 2, 1, 2},
	{"b\x00\n", "two", 1e18, 2e18, 3e18},
}

func all(entries []kept) iter.Seq2[string, *entry.Entry[string]] {
	return func(yield func(string, *entry.Entry[string]) bool) {
		for _, k := range entries {
			if !yield(k.key, entry.Restore(k.value, k.created, k.update, k.expire)) {
				return
			}
		}
	}
}

func into(got *[]kept) func(string, *entry.Entry[string]) bool {
	return func(key string, e *entry.Entry[string]) bool {
		*got = append(*got, kept{key, e.Value, e.Created(), e.UpdateAfter(), e.ExpiresAfter()})
		return true
	}
}

func written(t testing.TB, s texts, entries []kept) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := s.Write(t.Context(), &b, all(entries)); err != nil || n != len(entries) {
		t.Fatalf("wrote %d of %d: %v", n, len(entries), err)
	}
	return b.Bytes()
}

func read(s texts, data []byte) (got []kept, err error) {
	n, err := s.Read(context.Background(), bytes.NewReader(data), into(&got))
	if n != len(got) {
		err = errors.Join(err, fmt.Errorf("says %d entries and has given %d", n, len(got)))
	}
	return got, err
}

// Text that is not UTF-8 is kept as it is, or left out.
func TestSnapshotKeepsTextOrLeavesItOut(t *testing.T) {
	for _, value := range []string{"a\xffb", "a\ufffdb"} {
		var b bytes.Buffer
		n, err := texts{}.Write(t.Context(), &b, all([]kept{{"\xff", "v", 7, 8, 9}, {"k", value, 7, 8, 9}}))
		got, readErr := read(texts{}, b.Bytes())
		want := []kept{{"\xff", "v", 7, 8, 9}, {"k", value, 7, 8, 9}}
		if !utf8.ValidString(value) {
			want = want[:1]
		}
		if partial := errors.Is(err, snapshot.ErrPartial); partial == utf8.ValidString(value) || n != len(want) || readErr != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %d are written, %v, and read %q, %v", value, n, err, got, readErr)
		}
	}
	type pair struct{ A, B string }
	var b bytes.Buffer
	entries := func(yield func(pair, *entry.Entry[int]) bool) {
		for i, key := range []pair{{"a", "\xff"}, {"a", "\ufffd"}} {
			if !yield(key, entry.Restore(i, 7, 8, 9)) {
				return
			}
		}
	}
	n, err := snapshot.Format[pair, int]{}.Write(t.Context(), &b, entries)
	if n != 1 || !errors.Is(err, snapshot.ErrPartial) || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("of two keys %d are written, %v", n, err)
	}
	_, err = snapshot.Format[pair, int]{}.Read(t.Context(), &b, func(key pair, e *entry.Entry[int]) bool {
		if key != (pair{"a", "\ufffd"}) || e.Value != 1 {
			t.Errorf("%q has %d", key, e.Value)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSnapshotKeepsOrderAndLife(t *testing.T) {
	for _, entries := range [][]kept{nil, some[:1], some} {
		got, err := read(texts{}, written(t, texts{}, entries))
		if err != nil || !slices.Equal(got, entries) {
			t.Errorf("read %v, %v; want %v", got, err, entries)
		}
	}
}

// These are the bytes that later versions have to read.
func TestSnapshotFormatIsFixed(t *testing.T) {
	const want = "89706572656e0d0a" + "01" + "0028" + // magic, version, length
		"2266223a20737472696e672062792072617720746f20737472696e6720627920656e76656c6f7065" + "7cf4bcc7" +
		"00000001" + "00000023" + "6b" + // the key, then the envelope
		"e1008546000000000000000100000000000000010000000000000002155bcc9f" + "227622" + "ae8970a9" +
		"ffffffffffffffff" + "12e27104"
	entries := []kept{{"k", "v", 1, 2, 3}}
	if got := fmt.Sprintf("%x", written(t, texts{Of: "f"}, entries)); got != want {
		t.Errorf("it is\n%s, want\n%s", got, want)
	}
	data, err := hex.DecodeString(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(texts{Of: "f"}, data); err != nil || !slices.Equal(got, entries) {
		t.Errorf("read %v, %v", got, err)
	}
}

// Cut at any byte, a snapshot gives whole records from its beginning, as many as
// are whole, and says that it is cut.
func TestSnapshotCutAnywhere(t *testing.T) {
	data := written(t, texts{}, some)
	ends := make([]int, 0, len(some)) // where each record ends
	for i := range some {
		const endMark = 12
		ends = append(ends, len(written(t, texts{}, some[:i+1]))-endMark)
	}
	for size := range len(data) {
		got, err := read(texts{}, data[:size])
		whole := 0
		for whole < len(ends) && ends[whole] <= size {
			whole++
		}
		if !slices.Equal(got, some[:whole]) {
			t.Fatalf("cut at %d of %d: read %v, want the first %d", size, len(data), got, whole)
		}
		var where *snapshot.Error
		switch {
		case errors.Is(err, snapshot.ErrForeign) && size < 8:
		case !errors.Is(err, snapshot.ErrCorrupt) || !errors.As(err, &where):
			t.Fatalf("cut at %d: %v", size, err)
		case where.Records != whole || whole > 0 && where.Offset != int64(ends[whole-1]):
			t.Fatalf("cut at %d: it says %d records and offset %d, want %d and %d", size, where.Records, where.Offset, whole, ends[whole-1])
		}
	}
}

// Any flipped bit is found, and what stands before it is read.
func TestSnapshotFlippedBits(t *testing.T) {
	data := written(t, texts{}, some)
	for bit := range 8 * len(data) {
		damaged := bytes.Clone(data)
		damaged[bit/8] ^= 1 << (bit % 8)
		got, err := read(texts{}, damaged)
		if err == nil {
			t.Fatalf("bit %d of byte %d: no error", bit%8, bit/8)
		}
		if len(got) > len(some) || !slices.Equal(got, some[:len(got)]) {
			t.Fatalf("bit %d of byte %d: read %v", bit%8, bit/8, got)
		}
		if errors.Is(err, snapshot.ErrForeign) && len(got) > 0 {
			t.Fatalf("bit %d of byte %d: read %v of a foreign snapshot", bit%8, bit/8, got)
		}
	}
}

// Whole records of another snapshot, or in another place, are damage.
func TestSnapshotSplicedRecords(t *testing.T) {
	one, two := written(t, texts{}, some[:1]), written(t, texts{}, some[1:2])
	head := len(written(t, texts{}, nil)) - 12
	record := two[head : len(two)-12]
	spliced := slices.Concat(one[:len(one)-12], record, one[len(one)-12:])
	if got, err := read(texts{}, spliced); !errors.Is(err, snapshot.ErrCorrupt) || !slices.Equal(got, some[:1]) {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestSnapshotThatIsForeign(t *testing.T) {
	data := written(t, texts{Of: "users"}, some)
	gob, err := serde.Gob[string]()
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(t *testing.T, n int, err error) {
		t.Helper()
		if n != 0 || !errors.Is(err, snapshot.ErrForeign) {
			t.Errorf("read %d entries: %v", n, err)
		}
	}
	for name, s := range map[string]texts{
		"name":       {Of: "orders"},
		"longer":     {Of: strings.Repeat("u", 1024)},
		"keys":       {Of: "users", Keys: gob},
		"entries":    {Of: "users", Entries: serde.EntryJSON[string]()},
		"same serde": {Of: "users", Entries: serde.Envelope(gob)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(s, data)
			nothing(t, len(got), err)
		})
	}
	t.Run("codec in the envelope", func(t *testing.T) { // the type of both is the same
		json := texts{Entries: serde.Envelope(serde.JSON[string]())}
		got, err := read(texts{Entries: serde.Envelope(gob)}, written(t, json, some))
		nothing(t, len(got), err)
		if !errors.Is(err, serde.ErrCodec) {
			t.Errorf("%v", err)
		}
	})
	t.Run("type of values", func(t *testing.T) {
		n, err := snapshot.Format[string, any]{Of: "users"}.Read(t.Context(), bytes.NewReader(data), func(string, *entry.Entry[any]) bool { return true })
		nothing(t, n, err)
	})
	t.Run("type of keys", func(t *testing.T) {
		n, err := snapshot.Format[any, string]{Of: "users"}.Read(t.Context(), bytes.NewReader(data), func(any, *entry.Entry[string]) bool { return true })
		nothing(t, n, err)
	})
	for says, at := range map[string]int{"does not begin as one": 0, "version is 3": 8} {
		t.Run(says, func(t *testing.T) {
			other := bytes.Clone(data)
			other[at] += 2
			got, err := read(texts{Of: "users"}, other)
			if nothing(t, len(got), err); !strings.Contains(err.Error(), says) {
				t.Error(err)
			}
		})
	}
	for name, other := range map[string]string{"empty": "", "text": "{}\n" + strings.Repeat("x", 99)} {
		t.Run(name, func(t *testing.T) {
			got, err := read(texts{}, []byte(other))
			nothing(t, len(got), err)
		})
	}
}

// A length that lies takes no room.
func TestSnapshotHostileLength(t *testing.T) {
	head := written(t, texts{}, nil)
	head = head[:len(head)-12]
	for name, c := range map[string]struct {
		lengths string
		limit   int
	}{
		"within the limit":  {"\x00\x00\x00\x00\x03\xff\xff\xff", 0},
		"past it":           {"\x04\x00\x00\x00\x04\x00\x00\x00", 0},
		"as far as it goes": {"\xff\xff\xff\xff\xff\xff\xff\xfe", math.MaxInt32},
		"two gigabytes":     {"\x00\x00\x00\x00\x7f\xff\xff\xff", math.MaxInt32},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := read(texts{MaxRecord: c.limit}, slices.Concat(head, []byte(c.lengths), []byte("abc")))
			runtime.ReadMemStats(&after)
			if len(got) > 0 || !errors.Is(err, snapshot.ErrCorrupt) {
				t.Errorf("read %v, %v", got, err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
				t.Errorf("it took %d bytes", took)
			}
		})
	}
}

func TestSnapshotLimits(t *testing.T) {
	big := []kept{{"k", strings.Repeat("x", 100), 1, 2, 3}}
	if n, err := (texts{MaxRecord: 100}).Write(t.Context(), io.Discard, all(big)); n != 0 || !errors.Is(err, snapshot.ErrPartial) || !strings.Contains(err.Error(), "MaxRecord") {
		t.Errorf("wrote %d: %v", n, err)
	}
	if got, err := read(texts{MaxRecord: 100}, written(t, texts{}, big)); len(got) > 0 || !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("read %v: %v", got, err)
	}
}

// pair has keys that JSON would make one.
type pair struct{ a, b int }

// Keys that don't come back would bring other keys' values back.
func TestSnapshotKeysThatAreLost(t *testing.T) {
	entries := func(yield func(pair, *entry.Entry[string]) bool) {
		yield(pair{1, 2}, entry.Restore("v", 1, 2, 3))
	}
	n, err := snapshot.Format[pair, string]{}.Write(t.Context(), io.Discard, entries)
	if n != 0 || !errors.Is(err, snapshot.ErrPartial) || !strings.Contains(err.Error(), "Format.Keys") {
		t.Errorf("wrote %d: %v", n, err)
	}
	anys := func(yield func(any, *entry.Entry[string]) bool) { yield(1, entry.Restore("v", 1, 2, 3)) }
	if n, err := (snapshot.Format[any, string]{}).Write(t.Context(), io.Discard, anys); n != 0 || err == nil {
		t.Errorf("an int that comes back as a float64: wrote %d", n)
	}
}

// A value that can't be written keeps no other from being saved, in a file too.
func TestSnapshotLeavesOutWhatCannotBeWritten(t *testing.T) {
	type numbers = snapshot.Format[string, float64]
	entries := func(yield func(string, *entry.Entry[float64]) bool) {
		_ = yield("a", entry.Restore(1.0, 1, 2, 3)) && yield("bad", entry.Restore(math.NaN(), 1, 2, 3)) && yield("b", entry.Restore(2.0, 1, 2, 3))
	}
	path := filepath.Join(t.TempDir(), "cache")
	if n, err := (numbers{}).WriteFile(t.Context(), path, entries); n != 2 || !errors.Is(err, snapshot.ErrPartial) || !errors.Is(err, serde.ErrValue) {
		t.Errorf("wrote %d: %v", n, err)
	}
	var got []string
	n, err := numbers{}.ReadFile(t.Context(), path, func(key string, _ *entry.Entry[float64]) bool {
		got = append(got, key)
		return true
	})
	if n != 2 || err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("read %d %v: %v", n, got, err)
	}
}

// picky writes entries all of which but the second of some it can read.
type picky struct{ serde.SerDe[string] }

func (p picky) Deserialize(data []byte) (*entry.Entry[string], error) {
	e, err := p.SerDe.Deserialize(data)
	if err == nil && e.Value == some[1].value {
		return nil, serde.ErrCorrupt
	}
	return e, err
}

func TestSnapshotLeavesOutWhatCannotBeRead(t *testing.T) {
	s := texts{Entries: picky{serde.Envelope(serde.JSON[string]())}}
	got, err := read(s, written(t, s, some))
	if !slices.Equal(got, slices.Delete(slices.Clone(some), 1, 2)) || !errors.Is(err, snapshot.ErrPartial) {
		t.Errorf("read %v, %v", got, err)
	}
	data := written(t, s, some)
	if _, err := read(s, data[:len(data)-1]); !errors.Is(err, snapshot.ErrPartial) || !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("of a damaged one it says %v", err)
	}
}

// Keys may be any bytes.
func TestSnapshotKeysThatAreNoText(t *testing.T) {
	entries := []kept{{"\xff\xfe\x00", "v", 1, 2, 3}, {"\xff\xfd", "w", 1, 2, 3}}
	if got, err := read(texts{}, written(t, texts{}, entries)); err != nil || !slices.Equal(got, entries) {
		t.Errorf("read %v, %v", got, err)
	}
}

// The errors of a reader and a writer come out, and what was read stays read.
func TestSnapshotFailingStreams(t *testing.T) {
	away := errors.New("away")
	data := written(t, texts{}, some)
	var got []kept
	n, err := texts{}.Read(t.Context(), io.MultiReader(bytes.NewReader(data[:len(data)-1]), iotest.ErrReader(away)), into(&got))
	if !errors.Is(err, away) || errors.Is(err, snapshot.ErrCorrupt) || n != len(some) || !slices.Equal(got, some) {
		t.Errorf("read %d, %v", n, err)
	}
	if _, err := (texts{}).Write(t.Context(), failing{away}, all(some)); !errors.Is(err, away) {
		t.Errorf("wrote with %v", err)
	}
	got = nil
	if n, err := (texts{}).Read(t.Context(), iotest.OneByteReader(bytes.NewReader(data)), into(&got)); err != nil || n != len(some) {
		t.Errorf("byte by byte: %d, %v", n, err)
	}
}

type failing struct{ err error }

func (w failing) Write([]byte) (int, error) { return 0, w.err }

func TestSnapshotContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	data := written(t, texts{}, some)
	n, err := texts{}.Read(ctx, bytes.NewReader(data), func(string, *entry.Entry[string]) bool {
		cancel()
		return true
	})
	if n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestSnapshotReadStopsWhenTold(t *testing.T) {
	n, err := texts{}.Read(t.Context(), bytes.NewReader(written(t, texts{}, some)), func(key string, _ *entry.Entry[string]) bool {
		return key != some[1].key
	})
	if n != 2 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestSnapshotFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	if _, err := (texts{}).ReadFile(t.Context(), path, into(new([]kept))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, entries := range [][]kept{some, some[:1]} { // the second in place of the first
		if n, err := (texts{}).WriteFile(t.Context(), path, all(entries)); n != len(entries) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		var got []kept
		if n, err := (texts{}).ReadFile(t.Context(), path, into(&got)); n != len(entries) || err != nil || !slices.Equal(got, entries) {
			t.Errorf("read %d %v, %v", n, got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	alone(t, path)
}

// alone fails if anything but the file is in its directory.
func alone(t *testing.T, path string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 || files[0].Name() != filepath.Base(path) {
		t.Errorf("the directory holds %v, %v", files, err)
	}
}

// A save that fails at any point leaves the old file as it was, and nothing else.
func TestSnapshotFileStaysWhereASaveFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	if _, err := (texts{}).WriteFile(t.Context(), path, all(some)); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T) {
		t.Helper()
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, old) {
			t.Errorf("the file has changed: %v", err)
		}
		alone(t, path)
	}
	big := []kept{some[1], {"big", strings.Repeat("x", 1<<20), 1, 2, 3}, some[0]} // part of it is on the disk already
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		seq := func(yield func(string, *entry.Entry[string]) bool) {
			for key, e := range all(big) {
				if !yield(key, e) {
					return
				}
				if key == "big" {
					cancel()
				}
			}
		}
		if n, err := (texts{}).WriteFile(ctx, path, seq); n != 2 || !errors.Is(err, context.Canceled) {
			t.Errorf("wrote %d, %v", n, err)
		}
		check(t)
	})
	t.Run("cancelled after the last", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		seq := func(yield func(string, *entry.Entry[string]) bool) {
			all(some[:1])(yield)
			cancel()
		}
		if _, err := (texts{}).WriteFile(ctx, path, seq); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		check(t)
	})
	t.Run("panic", func(t *testing.T) {
		func() {
			defer func() { _ = recover() }()
			_, _ = texts{}.WriteFile(t.Context(), path, func(func(string, *entry.Entry[string]) bool) { panic("user code") })
			t.Error("no panic")
		}()
		check(t)
	})
	t.Run("a directory in the way", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "cache")
		if err := os.MkdirAll(filepath.Join(dir, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := (texts{}).WriteFile(t.Context(), dir, all(some)); err == nil {
			t.Error("no error")
		}
		alone(t, dir)
	})
	t.Run("no directory", func(t *testing.T) {
		if _, err := (texts{}).WriteFile(t.Context(), filepath.Join(path, "cache"), all(some)); err == nil {
			t.Error("no error")
		}
		check(t)
	})
	t.Run("unwritable directory", func(t *testing.T) {
		if os.Getuid() == 0 || runtime.GOOS == "windows" {
			t.Skip("whoever runs the test may write everywhere")
		}
		if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(filepath.Dir(path), 0o700) }()
		if _, err := (texts{}).WriteFile(t.Context(), path, all(some[:1])); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v", err)
		}
		check(t)
	})
}

// Whoever reads while others save finds one whole snapshot or the other.
func TestSnapshotFileSavedByManyAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	size := func(n int) []kept {
		entries := make([]kept, n)
		for i := range entries {
			entries[i] = kept{fmt.Sprint(i), fmt.Sprint(n), 1, 2, 3}
		}
		return entries
	}
	if _, err := (texts{}).WriteFile(t.Context(), path, all(size(1))); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				if _, err := (texts{}).WriteFile(t.Context(), path, all(size(w*100+i))); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				var got []kept
				if _, err := (texts{}).ReadFile(t.Context(), path, into(&got)); err != nil || !slices.Equal(got, size(len(got))) {
					t.Errorf("%d entries, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
	alone(t, path)
}

// What a storage in memory holds is saved as it is used.
func TestSnapshotOfAStorageInUse(t *testing.T) {
	s := storage.NewInMemory[string, string]()
	for i := range 1000 {
		s.Put(fmt.Sprint("stays", i), "v", 1, 2, 3, nil)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			s.Put(fmt.Sprint("goes", i%500), "v", entry.At(time.Now()), 2, 3, nil)
			s.Take(fmt.Sprint("goes", (i+250)%500))
		}
	})
	for range 10 {
		var b bytes.Buffer
		if _, err := (texts{}).Write(t.Context(), &b, s.Range(t.Context())); err != nil {
			t.Fatal(err)
		}
		got, err := read(texts{}, b.Bytes())
		stays := 0
		for _, k := range got {
			if strings.HasPrefix(k.key, "stays") {
				stays++
			}
		}
		if err != nil || stays != 1000 {
			t.Errorf("%d of 1000 are saved, %v", stays, err)
		}
	}
	close(stop)
	wg.Wait()
}

// Whatever is read, there is no panic, every entry given is one that was written
// whole, and an end without an error is the snapshot's.
func FuzzSnapshot(f *testing.F) {
	data := written(f, texts{}, some)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(written(f, texts{}, nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := read(texts{}, data)
		if err != nil {
			var where *snapshot.Error
			if errors.As(err, &where) && (where.Records != len(got) || where.Offset > int64(len(data))) {
				t.Fatalf("%d records read: %+v", len(got), where)
			}
			if where == nil && !errors.Is(err, snapshot.ErrForeign) {
				t.Fatal(err)
			}
			return
		}
		var again []kept // what was read can be written, and read again
		again, err = read(texts{}, written(t, texts{}, got))
		if err != nil || !slices.Equal(got, again) {
			t.Fatalf("%v, and again %v, %v", got, again, err)
		}
	})
}

// keyCodec writes keys behind a mark. The keys in it are lost on one of the ways.
type keyCodec struct{ noEncode, noDecode string }

func (keyCodec) Name() string { return "marked" }

func (c keyCodec) Encode(key string) ([]byte, error) {
	if key != "" && key == c.noEncode {
		return nil, errStub
	}
	return []byte("mark " + key), nil
}

func (c keyCodec) Decode(data []byte) (string, error) {
	key, ok := strings.CutPrefix(string(data), "mark ")
	if !ok || key != "" && key == c.noDecode {
		return "", errLost
	}
	return key, nil
}

var errLost = errors.New("lost")

// Keys are written by the codec that is given; those that it can't write or read
// are left out.
func TestSnapshotKeysByACodec(t *testing.T) {
	s := texts{Keys: keyCodec{}}
	data := written(t, s, some)
	if !bytes.Contains(data, []byte("mark c")) {
		t.Error("the codec has not written the keys")
	}
	if got, err := read(s, data); err != nil || !slices.Equal(got, some) {
		t.Errorf("read %v, %v", got, err)
	}
	without := slices.DeleteFunc(slices.Clone(some), func(k kept) bool { return k.key == "a" })
	got, err := read(texts{Keys: keyCodec{noDecode: "a"}}, data)
	if !slices.Equal(got, without) || !errors.Is(err, snapshot.ErrPartial) || !errors.Is(err, errLost) || !errors.Is(err, serde.ErrValue) {
		t.Errorf("with a key that can't be read: %v, %v", got, err)
	}
	var b bytes.Buffer
	n, err := (texts{Keys: keyCodec{noEncode: "a"}}).Write(t.Context(), &b, all(some))
	if n != len(without) || !errors.Is(err, snapshot.ErrPartial) || !errors.Is(err, errStub) {
		t.Errorf("with a key that can't be written: %d, %v", n, err)
	}
	if got, err := read(s, b.Bytes()); err != nil || !slices.Equal(got, without) {
		t.Errorf("read %v, %v", got, err)
	}
}

// A record may be as large as MaxRecord, and no larger.
func TestSnapshotMaxRecord(t *testing.T) {
	big := []kept{{"k", strings.Repeat("x", 100), 1, 2, 3}}
	_, err := (texts{MaxRecord: 1}).Write(t.Context(), io.Discard, all(big))
	var size int
	if _, text, ok := strings.Cut(fmt.Sprint(err), "it has "); !ok {
		t.Fatalf("it says %v", err)
	} else if _, err := fmt.Sscan(text, &size); err != nil || size <= 100 {
		t.Fatalf("it says that a record has %s", text)
	}
	data := written(t, texts{MaxRecord: size}, big)
	if got, err := read(texts{MaxRecord: size}, data); err != nil || len(got) != 1 {
		t.Errorf("of as many bytes as may be: %v, %v", got, err)
	}
	if n, err := (texts{MaxRecord: size - 1}).Write(t.Context(), io.Discard, all(big)); n != 0 || !errors.Is(err, snapshot.ErrPartial) {
		t.Errorf("wrote %d of a byte more than may be: %v", n, err)
	}
	got, err := read(texts{MaxRecord: size - 1}, data)
	if want := fmt.Sprintf("a record has %d bytes, and the limit is %d", size, size-1); len(got) > 0 || !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("read %v: %v, want %q", got, err, want)
	}
}

// What a snapshot is of counts up to 1024 bytes; codecs without a name count by
// their types.
func TestSnapshotIdentity(t *testing.T) {
	long := strings.Repeat("x", 1024)
	if got, err := read(texts{Of: long + "b"}, written(t, texts{Of: long + "a"}, some)); err != nil || len(got) != len(some) {
		t.Errorf("read %d: %v; want all, for what differs comes later", len(got), err)
	}
	if _, err := read(texts{Of: long[1:] + "b"}, written(t, texts{Of: long}, some)); !errors.Is(err, snapshot.ErrForeign) {
		t.Errorf("it says %v, want ErrForeign", err)
	}
	type other struct{ serde.SerDe[string] }
	json := serde.Envelope(serde.JSON[string]())
	if _, err := read(texts{Entries: other{json}}, written(t, texts{Entries: picky{json}}, nil)); !errors.Is(err, snapshot.ErrForeign) {
		t.Errorf("by another type it says %v, want ErrForeign", err)
	}
}

// refusing gives an error in the place of the second of some.
type refusing struct {
	picky
	err error
}

func (r refusing) Deserialize(data []byte) (*entry.Entry[string], error) {
	e, err := r.picky.Deserialize(data)
	if errors.Is(err, serde.ErrCorrupt) {
		err = r.err
	}
	return e, err
}

// A read says how many it has given, however it ends.
func TestSnapshotSaysHowMany(t *testing.T) {
	s := texts{Entries: refusing{picky{serde.Envelope(serde.JSON[string]())}, serde.ErrVersion}}
	data := written(t, s, some)
	if n, err := s.Read(t.Context(), bytes.NewReader(data), into(new([]kept))); n != 1 || !errors.Is(err, snapshot.ErrForeign) {
		t.Errorf("of another version after the first: %d, %v", n, err)
	}
	s.Entries = refusing{picky{serde.Envelope(serde.JSON[string]())}, serde.ErrCorrupt}
	n, err := s.Read(t.Context(), bytes.NewReader(data), func(string, *entry.Entry[string]) bool { return false })
	if n != 1 || err != nil {
		t.Errorf("stopped at the first: %d, %v", n, err)
	}
	given := 0
	n, err = s.Read(t.Context(), bytes.NewReader(data), func(string, *entry.Entry[string]) bool { given++; return given < 2 })
	if n != 2 || !errors.Is(err, snapshot.ErrPartial) {
		t.Errorf("stopped after one was left out: %d, %v", n, err)
	}
}

// So does a write, and it ends with its stream or context.
func TestSnapshotWriteSaysHowMany(t *testing.T) {
	large := make([]kept, 10)
	for i := range large {
		large[i] = kept{fmt.Sprint(i), strings.Repeat("x", 20_000), 1, 2, 3}
	}
	if n, err := (texts{}).Write(t.Context(), failing{errStub}, all(large)); n == 0 || n == len(large) || !errors.Is(err, errStub) {
		t.Errorf("wrote %d of %d, %v; want some", n, len(large), err)
	}
	if n, err := (texts{}).Write(t.Context(), failing{errStub}, all(some)); n != len(some) || !errors.Is(err, errStub) {
		t.Errorf("wrote %d, %v; want all, and the error of the end", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n, err := texts{}.Write(ctx, io.Discard, func(yield func(string, *entry.Entry[string]) bool) {
		all(some)(yield)
		cancel()
	})
	if n != len(some) || !errors.Is(err, context.Canceled) {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// failsOnce is a reader's error that passes.
type failsOnce struct{ failed bool }

func (f *failsOnce) Read([]byte) (int, error) {
	if f.failed {
		return 0, io.EOF
	}
	f.failed = true
	return 0, errStub
}

// Wherever a reader fails, its error is returned, with how far it came.
func TestSnapshotFailingReader(t *testing.T) {
	data := written(t, texts{}, some)
	empty := len(written(t, texts{}, nil)) - 12 // the end's lengths and checksum
	for at := range data {
		var got []kept
		n, err := texts{}.Read(t.Context(), io.MultiReader(bytes.NewReader(data[:at]), new(failsOnce), bytes.NewReader(data[at:])), into(&got))
		var where *snapshot.Error
		if !errors.Is(err, errStub) || !errors.As(err, &where) || where.Records != n || n != len(got) {
			t.Fatalf("at byte %d: %v; want the reader's error and %d records", at, err, len(got))
		}
		if at < empty && where.Offset != 0 || at >= empty && (where.Offset < int64(empty) || where.Offset > int64(at)) {
			t.Fatalf("at byte %d it says that it came to %d", at, where.Offset)
		}
		if want := fmt.Sprintf("up to byte %d, after %d records: stub", where.Offset, n); !strings.Contains(err.Error(), want) {
			t.Fatalf("it says %v, want %q", err, want)
		}
	}
	_, err := read(texts{}, data[:empty-5])
	if where := (*snapshot.Error)(nil); !errors.As(err, &where) || where.Offset != 0 || !errors.Is(err, snapshot.ErrCorrupt) {
		t.Errorf("cut in its header it says %v", err)
	}
}

// Half an end is none, whatever its checksum says.
func TestSnapshotHalfAnEnd(t *testing.T) {
	head := written(t, texts{}, nil)
	head = head[:len(head)-12]
	for _, lengths := range []string{"\xff\xff\xff\xff\x00\x00\x00\x00", "\x00\x00\x00\x00\xff\xff\xff\xff"} {
		sum := crc32.Checksum(append(slices.Clone(head[:len(head)-4]), lengths...), crc32.MakeTable(crc32.Castagnoli))
		data := binary.BigEndian.AppendUint32(append(slices.Clone(head), lengths...), sum)
		if _, err := read(texts{}, data); !errors.Is(err, snapshot.ErrCorrupt) {
			t.Errorf("of %x it says %v", lengths, err)
		}
	}
	sum := crc32.Checksum(append(slices.Clone(head[:len(head)-4]), "\xff\xff\xff\xff\xff\xff\xff\xff"...), crc32.MakeTable(crc32.Castagnoli))
	if _, err := read(texts{}, binary.BigEndian.AppendUint32(append(slices.Clone(head), "\xff\xff\xff\xff\xff\xff\xff\xff"...), sum)); err != nil {
		t.Fatalf("of a whole end, made in the same way, it says %v", err)
	}
}

// A file without a directory is in the current one; one with a directory needs no
// current one.
func TestSnapshotFileInTheCurrentDirectory(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	t.Chdir(here)
	if n, err := (texts{}).WriteFile(t.Context(), "cache", all(some)); n != len(some) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	alone(t, filepath.Join(here, "cache"))
	if err := os.RemoveAll(here); err != nil {
		t.Skip("the current directory can't be removed here")
	}
	if n, err := (texts{}).WriteFile(t.Context(), filepath.Join(there, "cache"), all(some)); n != len(some) || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// A file that was read is closed.
func TestSnapshotFileIsClosed(t *testing.T) {
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("the open files can't be counted here")
		}
		return len(files)
	}
	path := filepath.Join(t.TempDir(), "cache")
	if _, err := (texts{}).WriteFile(t.Context(), path, all(some)); err != nil {
		t.Fatal(err)
	}
	before := open()
	for range 20 {
		if _, err := (texts{}).ReadFile(t.Context(), path, into(new([]kept))); err != nil {
			t.Fatal(err)
		}
	}
	if now := open(); now > before+10 {
		t.Errorf("%d files are open, and %d were", now, before)
	}
}
