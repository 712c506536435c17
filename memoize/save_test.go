package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/snapshot"
)

// loaded is what the source of savable functions returns.
func loaded(arg string) string { return "value of " + arg }

// savable makes a function, as the program that saves and the one that restores
// both do.
func savable(t *testing.T, opts ...config.Option) *memoize.Func[string, string] {
	t.Helper()
	f, err := memoize.New(func(_ context.Context, arg string) (string, error) { return loaded(arg), nil },
		append([]config.Option{config.Name("savable"), config.UpdateAfter(5 * time.Minute), config.ExpireAfter(10 * time.Minute)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

// ask calls for each of the arguments, a second after another.
func ask(t *testing.T, f *memoize.Func[string, string], args ...string) {
	t.Helper()
	for _, arg := range args {
		if v, err := f.Call(t.Context(), arg); err != nil || v != loaded(arg) {
			t.Fatalf("%s: %q, %v", arg, v, err)
		}
		time.Sleep(time.Second)
	}
}

func saved(t *testing.T, f *memoize.Func[string, string], opts ...memoize.SnapshotOption) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := f.Save(t.Context(), &b, opts...); err != nil || n != len(order(t, b.Bytes())) {
		t.Fatalf("saved %d: %v", n, err)
	}
	return b.Bytes()
}

// order is the keys of a snapshot, in their order.
func order(t *testing.T, data []byte) []string {
	t.Helper()
	keys := []string{}
	_, err := snapshot.Format[string, string]{Of: "savable"}.Read(t.Context(), bytes.NewReader(data), func(key string, _ *entry.Entry[string]) bool {
		keys = append(keys, key)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func restored(t *testing.T, f *memoize.Func[string, string], data []byte, want int) {
	t.Helper()
	if n, err := f.Restore(t.Context(), bytes.NewReader(data)); n != want || err != nil {
		t.Fatalf("restored %d, want %d: %v", n, want, err)
	}
}

// held is which of the arguments have a value.
func held(f *memoize.Func[string, string], args ...string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return !f.Has(context.Background(), arg) })
}

// A restored value is as old as it is, and lives no longer than it would have (G2).
func TestRestoreKeepsAgeAndLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "cache")
		f := savable(t)
		ask(t, f, "a")
		time.Sleep(3*time.Minute - time.Second)
		ask(t, f, "b") // a is 3m1s old
		if n, err := f.SaveFile(t.Context(), path); n != 2 || err != nil {
			t.Fatalf("saved %d, %v", n, err)
		}
		time.Sleep(4*time.Minute - time.Second)

		g := savable(t)
		if n, err := g.RestoreFile(t.Context(), path); n != 2 || err != nil {
			t.Fatalf("restored %d, %v", n, err)
		}
		for arg, want := range map[string]memoize.Result[string]{
			"a": {Value: loaded("a"), Age: 7 * time.Minute, State: entry.Stale},
			"b": {Value: loaded("b"), Age: 4 * time.Minute, State: entry.Fresh},
		} {
			r, err := g.Result(t.Context(), arg)
			if err != nil || r.Value != want.Value || r.Age != want.Age || r.State != want.State {
				t.Errorf("%s: %+v, %v; want %+v", arg, r, err, want)
			}
		}
		if err := g.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6*time.Minute - time.Nanosecond)
		if got := held(g, "a", "b"); !slices.Equal(got, []string{"a", "b"}) { // a was refreshed
			t.Errorf("just before b's end %v are held", got)
		}
		time.Sleep(time.Nanosecond)
		if got := held(g, "a", "b"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("at b's end %v are held", got)
		}
	})
}

// Expired values are neither saved nor restored, and restored ones go when their
// time comes, though nobody reads them (G11).
func TestSaveAndRestoreLeaveOutWhatHasExpired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t, config.Storage[string, string](unswept{storage.NewInMemory[string, string]()}))
		ask(t, f, "a")
		time.Sleep(time.Minute - time.Second)
		ask(t, f, "b")
		time.Sleep(time.Minute - time.Second)
		ask(t, f, "c")
		time.Sleep(8*time.Minute - time.Second) // a has just expired
		data := saved(t, f)
		if got := order(t, data); !slices.Equal(got, []string{"c", "b"}) {
			t.Errorf("saved %v", got)
		}
		time.Sleep(time.Minute) // so has b
		g := savable(t)
		restored(t, g, data, 1)
		if got := held(g, "a", "b", "c"); !slices.Equal(got, []string{"c"}) || g.Len() != 1 {
			t.Errorf("restored %v, %d entries", got, g.Len())
		}
		time.Sleep(time.Minute + time.Second)
		if g.Len() != 0 {
			t.Errorf("%d entries are left after their end", g.Len())
		}
	})
}

// unswept is a storage in memory that keeps what has expired.
type unswept struct {
	*storage.InMemory[string, string]
}

func (unswept) Release(context.Context, string) error { return nil }

// On a clock of a test's own, instants are that clock's.
func TestRestoreOnAMockClock(t *testing.T) {
	before, after := clock.NewMock(), clock.NewMock()
	f, g := savable(t, config.Clock(before)), savable(t, config.Clock(after))
	if _, err := f.Call(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	after.Add(6 * time.Minute)
	restored(t, g, saved(t, f), 1)
	if r, err := g.Result(t.Context(), "a"); err != nil || r.Age != 6*time.Minute || r.State != entry.Stale {
		t.Errorf("%+v, %v", r, err)
	}
	late := clock.NewMock()
	late.Add(10 * time.Minute)
	restored(t, savable(t, config.Clock(late)), saved(t, f), 0)
}

func TestSaveWritesTheNewestFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t)
		ask(t, f, "b", "d", "a", "c")
		if got := order(t, saved(t, f)); !slices.Equal(got, []string{"c", "a", "d", "b"}) {
			t.Errorf("got %v, want the youngest first", got)
		}
	})
}

// With less room the newest are kept, and to the strategy they stay in that order.
func TestRestoreIntoLessRoom(t *testing.T) {
	args := strings.Split("abcdefghij", "")
	for name, strategy := range map[string]func(int) eviction.Strategy[string]{
		"LeastRecentlyUpdated": eviction.LeastRecentlyUpdated[string],
		"LeastRecentlyUsed":    eviction.LeastRecentlyUsed[string],
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := savable(t)
				ask(t, f, args...)
				data := saved(t, f)
				g := savable(t, config.Evict(strategy(3)))
				restored(t, g, data, 3)
				if got := held(g, args...); !slices.Equal(got, []string{"h", "i", "j"}) || g.Len() != 3 {
					t.Errorf("%v are restored, %d entries", got, g.Len())
				}
				if s := g.Stats(); s.Evicted != 0 {
					t.Errorf("%d were restored to be evicted", s.Evicted)
				}
				ask(t, g, "new")
				if got := held(g, args...); !slices.Equal(got, []string{"i", "j"}) || g.Len() != 3 {
					t.Errorf("after one more %v are left of them, %d entries", got, g.Len())
				}
				restored(t, savable(t, config.Capacity(0)), data, 0)
			})
		})
	}
}

// Room is for what lives.
func TestRestoreGivesNoRoomToWhatHasExpired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(func(_ context.Context, arg string) (string, error) { return loaded(arg), nil }, config.Name("savable"),
			config.Builder(entry.LifeOf[string](func(value string) entry.Life {
				if value == loaded("brief") {
					return entry.Life{ExpireAfter: time.Minute}
				}
				return entry.Life{ExpireAfter: time.Hour}
			}))))
		defer func() { _ = f.Close(context.Background()) }()
		ask(t, f, "a", "b", "c", "brief")
		data := saved(t, f)
		time.Sleep(5 * time.Minute)
		g := savable(t, config.Capacity(2))
		restored(t, g, data, 2)
		if got := held(g, "brief", "a", "b", "c"); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("%v are restored", got)
		}
	})
}

// Where something is stored already, the newer stays, and the capacity holds.
func TestRestoreKeepsWhatIsNewer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := savable(t, config.Evict(eviction.LeastRecentlyUpdated[string](3)))
		if err := g.Set(t.Context(), "b", "older"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		f := savable(t)
		ask(t, f, "a", "b")
		data := saved(t, f)
		if err := g.Set(t.Context(), "a", "newer"); err != nil {
			t.Fatal(err)
		}
		restored(t, g, data, 1)
		a, _ := g.Peek(t.Context(), "a")
		b, _ := g.Peek(t.Context(), "b")
		if a != "newer" || b != loaded("b") {
			t.Errorf("a is %q, b is %q", a, b)
		}
		restored(t, g, data, 0) // for it is there
		for i := range 5 {
			ask(t, g, fmt.Sprint(i))
			if g.Len() > 3 {
				t.Fatalf("%d entries", g.Len())
			}
		}
		restored(t, g, data, 2) // in place of others
		if got := held(g, "a", "b"); g.Len() != 3 || len(got) != 2 {
			t.Errorf("%v are held, %d entries in all", got, g.Len())
		}
	})
}

// during is a reader that calls f before its last byte.
func during(data []byte, f func()) io.Reader {
	last := len(data) - 1
	return io.MultiReader(bytes.NewReader(data[:last]), readerFunc(func(p []byte) (int, error) {
		if f != nil {
			f()
			f = nil
			return copy(p, data[last:]), nil
		}
		return 0, io.EOF
	}))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// What is invalidated while a restore reads is not stored (G4).
func TestG4InvalidateWhileARestoreReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t)
		ask(t, f, "a", "b", "c")
		data := saved(t, f)
		g := savable(t)
		n, err := g.Restore(t.Context(), during(data, func() {
			if err := g.Invalidate(t.Context(), "b"); err != nil {
				t.Error(err)
			}
		}))
		if got := held(g, "a", "b", "c"); n != 2 || err != nil || !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("restored %d %v, %v", n, got, err)
		}
		g = savable(t)
		n, err = g.Restore(t.Context(), during(data, func() {
			if err := g.InvalidateAll(t.Context()); err != nil {
				t.Error(err)
			}
		}))
		if n != 0 || err != nil || g.Len() != 0 {
			t.Errorf("restored %d after all was invalidated, %v", n, err)
		}
		restored(t, g, data, 3) // the next one knows nothing of that
	})
}

// halting is a storage in memory whose listing waits, once it is made.
type halting struct {
	*storage.InMemory[string, string]
	listed func()
}

func (s *halting) Range(ctx context.Context) iter.Seq2[string, *entry.Entry[string]] {
	return func(yield func(string, *entry.Entry[string]) bool) {
		type pair struct {
			key string
			e   *entry.Entry[string]
		}
		var all []pair
		for key, e := range s.InMemory.Range(ctx) {
			all = append(all, pair{key, e})
		}
		s.listed()
		for _, p := range all {
			if !yield(p.key, p.e) {
				return
			}
		}
	}
}

// What a restore stores behind the back of an invalidation of everything goes
// too (G4):
//
//	Restore        stores a ─ evicts x ............ stores b ─ returns
//	InvalidateAll                       lists y, a .................. drops them
func TestG4InvalidateAllWhileARestoreStores(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t)
		ask(t, f, "a", "b")
		data := saved(t, f)

		evicted, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		var once, list sync.Once
		listed := func() {}
		g := savable(t, config.Capacity(2),
			config.Storage[string, string](&halting{storage.NewInMemory[string, string](), func() { listed() }}),
			config.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
				if ev.Kind == observe.Evicted {
					once.Do(func() { close(evicted); <-goOn })
				}
			})))
		ask(t, g, "x", "y")
		listed = func() { list.Do(func() { close(goOn); <-done }) }
		go func() {
			defer close(done)
			if n, err := g.Restore(t.Context(), bytes.NewReader(data)); n != 2 || err != nil {
				t.Errorf("restored %d, %v", n, err)
			}
		}()
		<-evicted
		if err := g.InvalidateAll(t.Context()); err != nil {
			t.Error(err)
		}
		if got := held(g, "a", "b", "x", "y"); len(got) > 0 {
			t.Errorf("%v are held", got)
		}
	})
}

// Whoever calls, sets and invalidates meanwhile sees no difference, and nobody
// sees a value after it was invalidated.
func TestG4SaveAndRestoreInUse(t *testing.T) {
	var args []string
	for i := range 300 {
		args = append(args, fmt.Sprint("arg", i))
	}
	f := savable(t)
	for _, arg := range args {
		if err := f.Set(t.Context(), arg, "saved"); err != nil {
			t.Fatal(err)
		}
	}
	data := saved(t, f)
	for range 10 {
		g := savable(t)
		began := make(chan struct{})
		begin := sync.OnceFunc(func() { close(began) })
		var wg sync.WaitGroup
		wg.Go(func() {
			defer begin()
			whole := bytes.NewReader(data)
			n, err := g.Restore(t.Context(), readerFunc(func(p []byte) (int, error) {
				begin()
				return whole.Read(p[:min(len(p), 512)])
			}))
			if err != nil || n > len(args) {
				t.Errorf("restored %d, %v", n, err)
			}
		})
		<-began
		wg.Go(func() {
			if _, err := g.Save(t.Context(), io.Discard); err != nil {
				t.Error(err)
			}
		})
		for part := range slices.Chunk(args, 100) {
			wg.Go(func() {
				for i, arg := range part {
					switch i % 3 {
					case 0:
						if err := g.Invalidate(t.Context(), arg); err != nil {
							t.Error(err)
						}
						if v, ok := g.Peek(t.Context(), arg); ok {
							t.Errorf("%s is %q after it was invalidated", arg, v)
						}
					case 1:
						if err := g.Set(t.Context(), arg, "set"); err != nil {
							t.Error(err)
						}
					case 2:
						if v, err := g.Call(t.Context(), arg); err != nil || v != loaded(arg) && v != "saved" {
							t.Errorf("%q, %v", v, err)
						}
					}
				}
			})
		}
		wg.Wait()
		for part := range slices.Chunk(args, 100) {
			for i, arg := range part {
				v, ok := g.Peek(t.Context(), arg)
				if i%3 == 0 && ok || i%3 == 1 && v != "set" {
					t.Errorf("%s is %q", arg, v)
				}
			}
		}
	}
}

// What stands before the damage is restored, and the error says where that is.
func TestRestoreOfADamagedSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t)
		ask(t, f, "a", "b", "c")
		data := saved(t, f)
		for size := range len(data) {
			g := savable(t)
			n, err := g.Restore(t.Context(), bytes.NewReader(data[:size]))
			if got := held(g, "c", "b", "a"); len(got) != n || !slices.Equal(got, []string{"c", "b", "a"}[:n]) {
				t.Fatalf("cut at %d: %d restored, %v held", size, n, got)
			}
			var where *snapshot.Error
			switch {
			case errors.Is(err, snapshot.ErrForeign) && n == 0:
			case !errors.Is(err, snapshot.ErrCorrupt) || !errors.As(err, &where) || where.Records != n || where.Offset > int64(size):
				t.Fatalf("cut at %d: %v", size, err)
			}
		}
		away := errors.New("away")
		g := savable(t)
		n, err := g.Restore(t.Context(), io.MultiReader(bytes.NewReader(data[:len(data)-1]), iotest.ErrReader(away)))
		if n != 3 || !errors.Is(err, away) {
			t.Errorf("of a reader that fails %d were restored, %v", n, err)
		}
	})
}

func TestRestoreOfAForeignSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t)
		ask(t, f, "a")
		data := saved(t, f)
		gob := memoize.Must(serde.Gob[string]())
		for name, c := range map[string]struct {
			g    *memoize.Func[string, string]
			opts []memoize.SnapshotOption
		}{
			"another name":  {savable(t, config.Name("other")), nil},
			"another codec": {savable(t), []memoize.SnapshotOption{memoize.SnapshotEntries(serde.EntryJSON[string]())}},
			"other keys":    {savable(t), []memoize.SnapshotOption{memoize.SnapshotKeys(gob)}},
		} {
			if n, err := c.g.Restore(t.Context(), bytes.NewReader(data), c.opts...); n != 0 || c.g.Len() != 0 || !errors.Is(err, snapshot.ErrForeign) {
				t.Errorf("%s: %d restored, %v", name, n, err)
			}
		}
		both := []memoize.SnapshotOption{memoize.SnapshotKeys(gob), memoize.SnapshotEntries(serde.Envelope(gob))}
		var b bytes.Buffer
		if _, err := f.Save(t.Context(), &b, both...); err != nil {
			t.Fatal(err)
		}
		if n, err := savable(t).Restore(t.Context(), &b, both...); n != 1 || err != nil {
			t.Errorf("with the same codecs %d are restored, %v", n, err)
		}
	})
}

func TestSnapshotOptionsThatDoNotFit(t *testing.T) {
	f := savable(t)
	for name, o := range map[string]memoize.SnapshotOption{
		"keys":    memoize.SnapshotKeys(serde.JSON[int]()),
		"entries": memoize.SnapshotEntries(serde.EntryJSON[int]()),
		"zero":    {},
	} {
		if _, err := f.Save(t.Context(), io.Discard, o); err == nil {
			t.Errorf("%s: no error from Save", name)
		}
		if _, err := f.Restore(t.Context(), strings.NewReader(""), o); err == nil || errors.Is(err, snapshot.ErrForeign) {
			t.Errorf("%s: %v from Restore", name, err)
		}
	}
	if n, err := f.Save(t.Context(), io.Discard, memoize.SnapshotKeys[string](nil), memoize.SnapshotLimit(0)); n != 0 || err != nil {
		t.Errorf("with the defaults spelt out %d, %v", n, err)
	}
}

func TestSaveOfAStorageElsewhere(t *testing.T) {
	f := savable(t, config.Storage[string, string](newSlow()))
	if n, err := f.Save(t.Context(), io.Discard); n != 0 || !errors.Is(err, memoize.ErrUnsupported) {
		t.Errorf("saved %d, %v", n, err)
	}
	path := filepath.Join(t.TempDir(), "cache")
	if n, err := f.SaveFile(t.Context(), path); n != 0 || !errors.Is(err, memoize.ErrUnsupported) {
		t.Errorf("saved %d, %v", n, err)
	}
	if n, err := f.Restore(t.Context(), strings.NewReader("")); n != 0 || !errors.Is(err, memoize.ErrUnsupported) {
		t.Errorf("restored %d, %v", n, err)
	}
	if n, err := f.RestoreFile(t.Context(), path); n != 0 || !errors.Is(err, memoize.ErrUnsupported) {
		t.Errorf("restored %d, %v", n, err)
	}
}

// A program's last act may be to close its functions and save them.
func TestSaveAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t)
		ask(t, f, "a")
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		data := saved(t, f)
		restored(t, savable(t), data, 1)
		if n, err := f.Restore(t.Context(), bytes.NewReader(data)); n != 0 || !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("restored %d, %v", n, err)
		}
		g := savable(t)
		n, err := g.Restore(t.Context(), during(data, func() { _ = g.Close(t.Context()) }))
		if n != 0 || !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("closed meanwhile: restored %d, %v", n, err)
		}
		off := savable(t, config.Configured(false))
		if _, err := off.Save(t.Context(), io.Discard); !errors.Is(err, memoize.ErrNotConfigured) {
			t.Errorf("not configured: %v", err)
		}
	})
}

// A restore whose context ends while it reads stores nothing, and a save leaves
// the file as it was.
func TestSaveAndRestoreCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "cache")
		f := savable(t)
		ask(t, f, "a", "b")
		if _, err := f.SaveFile(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		g := savable(t)
		if n, err := g.Restore(ctx, during(data, cancel)); n != 0 || g.Len() != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("restored %d, %v", n, err)
		}
		ask(t, f, "c")
		if n, err := f.SaveFile(ctx, path); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("saved %d, %v", n, err)
		}
		restored(t, savable(t), data, 2)
		if n, err := savable(t).RestoreFile(t.Context(), path); n != 2 || err != nil {
			t.Errorf("restored %d from the old file, %v", n, err)
		}
		if n, err := savable(t).RestoreFile(t.Context(), path+"2"); n != 0 || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("restored %d from no file, %v", n, err)
		}
	})
}

// panicking decodes and encodes nothing.
type panicking struct{ serde.SerDe[string] }

func (panicking) Serialize(*entry.Entry[string]) ([]byte, error)   { panic("user code") }
func (panicking) Deserialize([]byte) (*entry.Entry[string], error) { panic("user code") }
func (panicking) Name() string                                     { return "envelope" }

// A panic of a codec or a strategy is an error, and nothing hangs after it (G7).
func TestG7PanicsWhileSavingAndRestoring(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := savable(t)
		ask(t, f, "a")
		var p *memoize.PanicError
		path := filepath.Join(t.TempDir(), "cache")
		if _, err := f.SaveFile(t.Context(), path, memoize.SnapshotEntries[string](panicking{})); !errors.As(err, &p) {
			t.Errorf("%v", err)
		}
		if files, err := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
			t.Errorf("it left %v, %v", files, err)
		}
		if _, err := f.Restore(t.Context(), bytes.NewReader(saved(t, f)), memoize.SnapshotEntries[string](panicking{})); !errors.As(err, &p) {
			t.Errorf("%v", err)
		}
		if _, err := f.Save(t.Context(), io.Discard, memoize.SnapshotEntries[string](panicking{})); !errors.As(err, &p) {
			t.Errorf("%v", err)
		}
		if err := f.InvalidateAll(t.Context()); err != nil || f.Len() != 0 {
			t.Errorf("%d entries, %v", f.Len(), err)
		}
	})
}

// Keys of a scope come back in their scope alone.
func TestRestoreKeepsScopes(t *testing.T) {
	type tenant struct{}
	scoped := func() *memoize.Func[string, *user] {
		return memoize.Must(memoize.NewScoped(func(context.Context, string) (*user, error) { return new(user), nil },
			func(ctx context.Context) (string, error) {
				name, _ := ctx.Value(tenant{}).(string)
				return name, nil
			}, config.Name("savable")))
	}
	one, two := context.WithValue(t.Context(), tenant{}, "one"), context.WithValue(t.Context(), tenant{}, "two")
	f, g := scoped(), scoped()
	if err := f.Set(one, "a", &user{Name: "of one"}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if n, err := f.Save(t.Context(), &b); n != 1 || err != nil {
		t.Fatalf("saved %d, %v", n, err)
	}
	if n, err := g.Restore(t.Context(), &b); n != 1 || err != nil {
		t.Fatalf("restored %d, %v", n, err)
	}
	if v, ok := g.Peek(one, "a"); v == nil || v.Name != "of one" || g.Has(two, "a") {
		t.Errorf("one has %v, %v; two has %v", v, ok, g.Has(two, "a"))
	}
}
