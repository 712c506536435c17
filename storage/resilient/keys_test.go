package resilient_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// listing is a server whose lists of keys are chosen.
type listing struct {
	*server
	list func(ctx context.Context, yield func(string, error) bool)
}

func (l *listing) Keys(ctx context.Context, _ string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { l.list(ctx, yield) }
}

// A list of keys may take its time while it goes on. If it is silent, or breaks, the
// store is away. A caller who leaves, and a refusal, get their errors.
func TestKeysEnd(t *testing.T) {
	slow := func(n int, between time.Duration) func(ctx context.Context, yield func(string, error) bool) {
		return func(ctx context.Context, yield func(string, error) bool) {
			for _, key := range []string{"x1", "x2", "x3", "x4", "x5"}[:n] {
				select {
				case <-time.After(between):
				case <-ctx.Done():
					yield("", ctx.Err())
					return
				}
				if !yield(key, nil) {
					return
				}
			}
		}
	}
	breaks := func(err error) func(ctx context.Context, yield func(string, error) bool) {
		return func(ctx context.Context, yield func(string, error) bool) { _ = yield("x1", nil) && yield("", err) }
	}
	const timeout = resilient.DefaultTimeout
	for _, c := range []struct {
		name  string
		list  func(ctx context.Context, yield func(string, error) bool)
		limit time.Duration
		want  string
		err   error
		trips uint64
		takes time.Duration
	}{
		{"slow", slow(5, timeout-1), time.Hour, "x1 x2 x3 x4 x5", nil, 0, 5 * (timeout - 1)},
		{"silent", func(ctx context.Context, yield func(string, error) bool) {
			if yield("x1", nil) {
				slow(1, time.Hour)(ctx, yield)
			}
		}, time.Hour, "x1 xcopy xwaits", nil, 1, timeout},
		{"reset", breaks(errReset), time.Hour, "x1 xcopy xwaits", nil, 1, 0},
		{"unknown", breaks(errors.New("something else")), time.Hour, "x1 xcopy xwaits", nil, 1, 0},
		{"refused", breaks(errReadOnly), time.Hour, "x1", errReadOnly, 0, 0},
		{"left", slow(5, 100*time.Millisecond), 250 * time.Millisecond, "x1 x2", context.DeadlineExceeded, 0, 250 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
				l := &listing{server: at, list: c.list}
				s, _ := client(t, l)
				put(t, s, "xcopy", "1", committed)
				put(t, s, "ycopy", "1", committed)
				if c.trips > 0 { // then what waits is listed, too
					defer later(time.Minute)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				began := time.Now()
				var keys []string
				var last error
				for key, err := range s.Keys(ctx, "x") {
					if last != nil {
						t.Errorf("%q, %v after %v", key, err, last)
					}
					if last = err; err == nil {
						keys = append(keys, key)
					}
				}
				want := strings.ReplaceAll(c.want, " xwaits", "")
				if got := strings.Join(keys, " "); got != want || !errors.Is(last, c.err) || (last == nil) != (c.err == nil) {
					t.Errorf("%q, %v; want %q, %v", got, last, want, c.err)
				}
				if took := time.Since(began); took != c.takes {
					t.Errorf("it took %v, want %v", took, c.takes)
				}
				if trips := s.Stats().Trips; trips != c.trips {
					t.Errorf("the breaker has opened %d times", trips)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// While the store answers, the keys are its own and those to be stored, without those of
// copies. The caller may stop early.
func TestKeysOfTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		for _, key := range []string{"x:a", "x:b", "x:c", "x:over", "y"} {
			put(t, s, key, "1", committed)
		}
		waits(t, at, func() {
			put(t, s, "x:new", "1", queued)
			put(t, s, "y:new", "1", queued)
			remove(t, s, "x:b", queued)
			if _, err := outcomeOf(s.Set(t.Context(), "x:over", nil, time.Second)); err != nil {
				t.Fatal(err)
			}
		})
		if _, err := at.memory.Delete(t.Context(), "x:c"); err != nil {
			t.Fatal(err)
		}
		list := func(most int) (keys []string) {
			for key, err := range s.Keys(t.Context(), "x:") {
				if err != nil {
					t.Fatal(err)
				}
				if keys = append(keys, key); len(keys) == most {
					break
				}
			}
			slices.Sort(keys)
			return keys
		}
		if got, want := list(0), []string{"x:a", "x:new"}; !slices.Equal(got, want) {
			t.Errorf("the keys are %q, want %q", got, want)
		}
		for most := 1; most < 3; most++ {
			if got := list(most); len(got) != most {
				t.Errorf("%d are %q", most, got)
			}
		}
		at.stop()
		put(t, s, "z", "1", queued)
		if got, want := list(0), []string{"x:a", "x:c", "x:new"}; !slices.Equal(got, want) {
			t.Errorf("the keys are %q while away, want %q", got, want)
		}
		for most := 1; most < 4; most++ {
			if got := list(most); len(got) != most {
				t.Errorf("%d are %q while away", most, got)
			}
		}
	})
}

func TestMaxKey(t *testing.T) {
	m := storage.NewMemory()
	defer func() { _ = m.Close() }()
	for _, c := range []struct {
		over storage.Bytes
		want int
	}{{m, 0}, {limited{m}, 250}, {bare{m}, 0}} {
		s, _ := client(t, c.over)
		if limit, ok := c.over.(storage.KeyLimit); ok {
			c.want = limit.MaxKey()
		}
		if got := s.MaxKey(); got != c.want {
			t.Errorf("the longest key is %d, want %d", got, c.want)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

type limited struct{ storage.Bytes }

func (limited) MaxKey() int { return 250 }

// failingWatch is a server whose watches end as chosen.
type failingWatch struct {
	*server
	began []time.Time
	watch func(ctx context.Context, n int, changed func(storage.Changed)) error
}

func (f *failingWatch) Watch(ctx context.Context, _ string, changed func(storage.Changed)) error {
	f.began = append(f.began, time.Now())
	return f.watch(ctx, len(f.began), changed)
}

// A watch that fails is retried after times that double, from the start once it has told
// of something; so is one that ends without an error.
func TestWatchIsRetried(t *testing.T) {
	for _, why := range []error{nil, errReset} {
		bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
			w := &failingWatch{server: at}
			w.watch = func(_ context.Context, n int, changed func(storage.Changed)) error {
				if n == 4 {
					changed(storage.Changed{Missed: true})
				}
				return why
			}
			s, _ := client(t, w, resilient.Random(longest))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
			defer cancel()
			began := time.Now()
			if err := s.Watch(ctx, "", func(storage.Changed) {}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 50*time.Second {
				t.Errorf("Watch: %v after %v", err, time.Since(began))
			}
			var waits []time.Duration
			for _, one := range w.began {
				waits = append(waits, one.Sub(began)/time.Second)
				began = one
			}
			if want := []time.Duration{0, 3, 6, 12, 3, 6, 12}; !slices.Equal(waits, want) {
				t.Errorf("it is begun again after %d s, want %d", waits, want)
			}
			if n := s.Stats().Trips; n != 0 {
				t.Errorf("the breaker has opened %d times", n)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Watch returns once nothing of it runs any more, also while the store is away: when its
// context ends or the Store is closed.
func TestWatchReturns(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
		runs := false
		w := &failingWatch{server: at}
		w.watch = func(ctx context.Context, n int, changed func(storage.Changed)) error {
			runs = true
			defer func() { runs = false }()
			changed(storage.Changed{Missed: true})
			<-ctx.Done()
			time.Sleep(time.Second)
			return ctx.Err()
		}
		s, _ := client(t, w)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Watch(ctx, "", func(storage.Changed) {}); !errors.Is(err, context.DeadlineExceeded) || runs {
			t.Errorf("Watch: %v, and it runs: %v", err, runs)
		}
		at.stop()
		lacks(t, s, "a")
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Watch(ctx, "", func(storage.Changed) {}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Watch while away: %v after %v", err, time.Since(began))
		}
		ended := make(chan error)
		go func() { ended <- s.Watch(t.Context(), "", func(storage.Changed) {}) }()
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, resilient.ErrClosed) {
			t.Errorf("Watch of a store that is closed while away: %v", err)
		}
	})
}

// Watch returns if its context ends while a callback runs.
func TestWatchReturnsDuringACallback(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
		runs := false
		w := &failingWatch{server: at}
		w.watch = func(ctx context.Context, n int, changed func(storage.Changed)) error {
			runs = true
			defer func() { runs = false }()
			changed(storage.Changed{Missed: true})
			changed(storage.Changed{Key: "a"})
			<-ctx.Done()
			time.Sleep(time.Second)
			return ctx.Err()
		}
		s, _ := client(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		told := 0
		if err := s.Watch(ctx, "", func(storage.Changed) { told++; synctest.Wait(); cancel() }); !errors.Is(err, context.Canceled) || runs || told != 1 {
			t.Errorf("Watch: %v, told %d times, and it runs: %v", err, told, runs)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
