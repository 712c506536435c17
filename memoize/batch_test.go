package memoize_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// batches is a source of many keys that counts how often it is asked.
type batches struct {
	mu    sync.Mutex
	sizes []int
	takes time.Duration
	reply func(keys []int) (map[int]int, error)
}

func (b *batches) load(_ context.Context, keys []int) (map[int]int, error) {
	b.mu.Lock()
	b.sizes = append(b.sizes, len(keys))
	b.mu.Unlock()
	time.Sleep(b.takes)
	if b.reply != nil {
		return b.reply(keys)
	}
	values := map[int]int{}
	for _, k := range keys {
		values[k] = 10 * k
	}
	return values, nil
}

func (b *batches) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sizes)
}

// bulks are the storages that a batch fills in one round trip.
func bulks(t *testing.T) map[string]func() config.Option {
	return map[string]func() config.Option{
		"fenced": func() config.Option { return sharing(t, storage.NewMemory()) },
		"bulk": func() config.Option {
			m := storage.NewMemory()
			return sharing(t, struct {
				storage.Bytes
				storage.BulkBytes
			}{m, m})
		},
	}
}

func sharing(t *testing.T, b storage.Bytes) config.Option {
	s, err := storage.Share(b)
	noError(t, err)
	return config.Store(s)
}

// G6: a batch that evicts a key of its own, and two that do it to each other, wait for
// nobody.
func TestG6BatchesOverASmallCapacity(t *testing.T) {
	for name, store := range bulks(t) {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := &batches{}
				f := memoize.Must(memoize.NewBatched(b.load, config.Name("small"), config.Capacity(2), config.Logger(discardLog), store()))
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				for round := range 20 {
					var all sync.WaitGroup
					for _, keys := range [][]int{{1, 2}, {3, 1}, {2, 3, 4, 1}, {4, 2}} {
						all.Go(func() {
							ask := f.CallMany
							if (round+len(keys))%2 == 0 {
								ask = f.RefreshMany
							}
							if values, err := ask(ctx, keys); err != nil || !slices.Equal(values, tenTimes(keys)) {
								t.Errorf("%v: %v, %v", keys, values, err)
							}
						})
					}
					all.Wait()
				}
				noError(t, f.Invalidate(ctx, 1))
				settled(t, f)
				noError(t, f.Close(ctx))
			})
		})
	}
}

func tenTimes(keys []int) []int {
	values := make([]int, len(keys))
	for i, k := range keys {
		values[i] = 10 * k
	}
	return values
}

// What a source does to its slice of keys is its own matter.
func TestSourceSortsItsKeys(t *testing.T) {
	for name, bypass := range map[string]bool{"stored": false, "bypassed": true} {
		t.Run(name, func(t *testing.T) {
			b := &batches{}
			b.reply = func(keys []int) (map[int]int, error) {
				values := map[int]int{}
				for _, k := range keys {
					values[k] = 10 * k
				}
				slices.Sort(keys)
				clear(keys[:1])
				return values, nil
			}
			f := memoize.Must(memoize.NewBatched(b.load, config.Bypass(bypass)))
			args := []int{3, 1, 2}
			for range 2 {
				values, err := f.CallMany(t.Context(), args)
				if err != nil || !slices.Equal(values, []int{30, 10, 20}) || !slices.Equal(args, []int{3, 1, 2}) {
					t.Fatalf("%v: %v, %v", args, values, err)
				}
			}
		})
	}
}

// Values of keys that a source was not asked for are dropped, counted and said.
func TestSourceAnswersWhatItWasNotAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		b := &batches{reply: func([]int) (map[int]int, error) { return map[int]int{1: 10, 7: 70, 8: 80}, nil }}
		f := memoize.Must(memoize.NewBatched(b.load, config.Logger(textLog(&log))))
		if values, err := f.CallMany(t.Context(), []int{1, 2}); !errors.Is(err, memoize.ErrNoValue) || values[0] != 10 {
			t.Errorf("%v, %v", values, err)
		}
		settled(t, f)
		if _, ok := f.Peek(t.Context(), 7); ok {
			t.Error("what was not asked for is stored")
		}
		if s := f.Stats(); s.Unasked != 2 {
			t.Errorf("%d values are counted as not asked for, want 2", s.Unasked)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d lines: %s", n, log.String())
		}
	})
}

// The error of a large batch is short, and matches what its errors match.
func TestErrorOfALargeBatchIsShort(t *testing.T) {
	keys := make([]int, 1000)
	for i := range keys {
		keys[i] = i
	}
	for name, reply := range map[string]func([]int) (map[int]int, error){
		"one error for all": func([]int) (map[int]int, error) { return nil, errOutage },
		"keys left out":     func([]int) (map[int]int, error) { return map[int]int{}, nil },
		"one key succeeds":  func([]int) (map[int]int, error) { return map[int]int{5: 1}, errOutage },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var told []error
				b := &batches{reply: reply}
				f := memoize.Must(memoize.NewBatched(b.load, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
					if e.Kind == observe.LoadEnded {
						told = append(told, e.Err)
					}
				}))))
				_, err := f.CallMany(t.Context(), keys)
				settled(t, f)
				for _, err := range append(told, err) {
					if err == nil || len(err.Error()) > 1000 || !errors.Is(err, errOutage) && !errors.Is(err, memoize.ErrNoValue) {
						t.Errorf("%.200v", err)
					}
				}
				if len(told) != 1 {
					t.Errorf("%d loads ended", len(told))
				}
			})
		})
	}
	f := memoize.Must(memoize.New(func(_ context.Context, k int) (int, error) { return k, nil }, config.Storage[int, int](unreleased{storage.NewInMemory[int, int]()}), config.Logger(discardLog)))
	if _, err := f.CallMany(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if err := f.InvalidateAll(t.Context()); !errors.Is(err, errOutage) || len(err.Error()) > 1000 {
		t.Errorf("%.200v", err)
	}
}

// unreleased is a storage that releases nothing.
type unreleased struct{ *storage.InMemory[int, int] }

func (unreleased) Release(context.Context, int) error { return errOutage }

// Under Bypass the source is asked no more often than through the cache.
func TestBypassAsksNoMoreOften(t *testing.T) {
	args, want := make([]int, 100), make([]int, 100)
	for i := range args {
		args[i], want[i] = i%50, 10*(i%50)
	}
	bubble(t, func(t *testing.T) {
		b := &batches{takes: 20 * time.Millisecond}
		f := memoize.Must(memoize.NewBatched(b.load, config.Bypass(true)))
		began := time.Now()
		values, err := f.CallMany(t.Context(), args)
		if err != nil || !slices.Equal(values, want) || b.count() != 1 || time.Since(began) != b.takes {
			t.Errorf("%d queries in %v: %v, %v", b.count(), time.Since(began), values, err)
		}
		if s := f.Stats(); s.Loads != 1 || s.Loaded != 50 || s.Entries != 0 {
			t.Errorf("%+v", s)
		}
		b = &batches{reply: func(keys []int) (map[int]int, error) {
			values := map[int]int{}
			for _, k := range keys[1:] {
				values[k] = 10 * k
			}
			return values, errOutage
		}}
		f = memoize.Must(memoize.NewBatched(b.load, config.Bypass(true), config.MaxBatch(20), config.PlainErrors(), config.Logger(discardLog)))
		values, err = f.RefreshMany(t.Context(), args)
		var many *memoize.ManyError
		if slices.Sort(b.sizes); !errors.As(err, &many) || !slices.Equal(b.sizes, []int{10, 20, 20}) { // they are asked side by side
			t.Fatalf("%v: %v", b.sizes, err)
		}
		for i := range args {
			if failed := i%50 == 0 || i%50 == 20 || i%50 == 40; failed != (many.At(i) == errOutage) || !failed && values[i] != want[i] {
				t.Errorf("%d: %v, %v", args[i], values[i], many.At(i))
			}
		}
	})
	bubble(t, func(t *testing.T) {
		source := returning[int](1)
		source.takes = time.Second
		f := memoize.Must(memoize.New(source.load, config.Bypass(true), config.MaxLoads(25)))
		began := time.Now()
		if _, err := f.CallMany(t.Context(), args); err != nil || source.count() != 50 || time.Since(began) != 2*time.Second {
			t.Errorf("%d queries in %v: %v", source.count(), time.Since(began), err)
		}
	})
}

// A bypassed call for many ends with its context, at the method timeout and after a
// panic as one for one does.
func TestBypassManyFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hang := make(chan struct{})
		b := &batches{reply: func(keys []int) (map[int]int, error) {
			switch keys[0] {
			case 1:
				panic("boom")
			case 2:
				<-hang
			}
			return nil, nil
		}}
		f := memoize.Must(memoize.NewBatched(b.load, config.Bypass(true), config.MethodTimeout(time.Second), config.Logger(discardLog)))
		check := func(ctx context.Context, want error, args ...int) {
			t.Helper()
			_, err := f.CallMany(ctx, args)
			var many *memoize.ManyError
			if !errors.As(err, &many) {
				t.Fatalf("got %v", err)
			}
			for i := range args {
				if p := (*memoize.PanicError)(nil); !errors.Is(many.At(i), want) && !(want == nil && errors.As(many.At(i), &p)) {
					t.Errorf("%d: %v, want %v", args[i], many.At(i), want)
				}
			}
		}
		check(t.Context(), nil, 1, 5)
		check(t.Context(), memoize.ErrLoadTimeout, 2, 5)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		check(ctx, context.DeadlineExceeded, 2, 5)
		check(t.Context(), memoize.ErrNoValue, 3, 5)
		close(hang)
		noError(t, f.Close(t.Context()))
		check(t.Context(), memoize.ErrClosed, 3, 5)
		synctest.Wait()
	})
}
