package memoize_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// G4: a load that began before an invalidation is given to those who wait for
// it, and stored by nobody.
func TestInvalidationWhileALoadRuns(t *testing.T) {
	verbs := map[string]func(t *testing.T, f *memoize.Func[string, int]) error{
		"one": func(t *testing.T, f *memoize.Func[string, int]) error { return f.Invalidate(t.Context(), "key") },
		"all": func(t *testing.T, f *memoize.Func[string, int]) error { return f.InvalidateAll(t.Context()) },
		"many": func(t *testing.T, f *memoize.Func[string, int]) error {
			return f.InvalidateMany(t.Context(), []string{"key"})
		},
	}
	for _, c := range []struct {
		name string
		age  time.Duration
		run  func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error)
		want memoize.Why
	}{
		{"miss", -1, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			return f.Result(t.Context(), "key")
		}, memoize.Fenced},
		{"expired", 2 * time.Hour, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			return f.Result(t.Context(), "key")
		}, memoize.Fenced},
		{"background", 2 * time.Minute, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			return f.Result(t.Context(), "key")
		}, memoize.Stale},
		{"forced", time.Second, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			v, err := f.Refresh(t.Context(), "key")
			return memoize.Result[int]{Value: v}, err
		}, 0},
	} {
		for verb, invalidate := range verbs {
			t.Run(c.name+" "+verb, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					source := returning[string](1)
					f := memoize.Must(memoize.New(source.load, minuteAndHour...))
					if c.age >= 0 {
						wants(t, 1)(f.Call(t.Context(), "key"))
						time.Sleep(c.age)
					}
					open := source.holds()
					finish := begin(1, func() (memoize.Result[int], error) { return c.run(t, f) })
					noError(t, invalidate(t, f))
					source.returns(2)
					source.lets()
					wants(t, 2)(f.Call(t.Context(), "key")) // a call that begins later
					open()                                  // the fenced load ends after the newer one
					r := finish()[0]
					if r.err != nil || r.value.Why != c.want {
						t.Fatalf("got %+v, %v; want why %v", r.value, r.err, c.want)
					}
					settled(t, f)
					wants(t, 2)(f.Call(t.Context(), "key"))
					if s := f.Stats(); s.Fenced != 1 || s.SupersededRunning != 0 {
						t.Fatalf("%d results are counted as fenced, %d superseded loads run; want 1 and 0", s.Fenced, s.SupersededRunning)
					}
				})
			})
		}
	}
}

// G4: a Set supersedes what runs.
func TestSetWhileALoadRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		finish := begin(2, func() (int, error) { return f.Call(t.Context(), "key") })
		noError(t, f.Set(t.Context(), "key", 2))
		wants(t, 2)(f.Call(t.Context(), "key"))
		open()
		allWant(t, 2, finish()) // what is stored is newer than what they waited for
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// G4: an invalidation that comes while a value is being stored waits for that
// to end, and releases it.
func TestInvalidationWhileAValueIsStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		store := &mockStorage[string, int]{}
		store.offer = func(context.Context, string) error { <-gate; return nil }
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store), config.StoreBudget(time.Hour, time.Hour))...))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		store.exactly(t, "offer key=1", 1)
		invalidated := begin(1, func() (int, error) { return 0, f.Invalidate(t.Context(), "key") })
		store.exactly(t, "release key", 0) // it waits
		close(gate)
		allWant(t, 0, invalidated())
		allWant(t, 1, finish())
		settled(t, f)
		if got, ok := store.holds("key"); ok {
			t.Fatalf("the storage holds %v after the invalidation has returned", got)
		}
	})
}

// G4, under chance: whatever runs meanwhile, a call that begins after an
// invalidation has returned gets nothing that was loaded before it.
func TestInvalidationRacesEverything(t *testing.T) {
	const keys, rounds = 3, 300
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("storage that takes time %v", slow), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var world [keys]atomic.Int64
				pause := func() { time.Sleep(time.Duration(rand.IntN(1000))) }
				opts := []config.Option{config.UpdateAfter(2 * time.Microsecond), config.ExpireAfter(10 * time.Microsecond), config.Capacity(2)}
				if slow {
					wait := func(context.Context, int) error { pause(); return nil }
					opts = append(opts, config.Storage[int, int](&clearable[int, int]{mockStorage[int, int]{get: wait, offer: wait, free: wait}}))
				}
				f := memoize.Must(memoize.New(func(_ context.Context, key int) (int, error) {
					seen := int(world[key].Load())
					pause()
					if rand.IntN(10) == 0 {
						return 0, errOutage
					}
					return seen, nil
				}, opts...))
				check := func(key int, call func(context.Context, int) (int, error)) {
					v := world[key].Load() // invalidated, if even
					v -= v % 2
					if got, err := call(t.Context(), key); err == nil && int64(got) < v-1 {
						t.Errorf("key %d: got %d, invalidated at %d", key, got, v)
					}
				}
				var wg sync.WaitGroup
				for key := range keys {
					wg.Go(func() { // odd: changed; even: invalidated too
						for range rounds {
							world[key].Add(1)
							if rand.IntN(10) > 0 {
								noErrorIn(t, f.Invalidate(t.Context(), key))
							} else {
								noErrorIn(t, f.InvalidateAll(t.Context()))
							}
							world[key].Add(1)
							pause()
						}
					})
					for range 3 {
						wg.Go(func() {
							for range rounds {
								check(key, f.Call)
								pause()
								if rand.IntN(4) == 0 {
									check(key, f.Refresh)
								}
							}
						})
					}
				}
				wg.Wait()
				settled(t, f)
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// clearable is a mockStorage that can drop everything.
type clearable[K comparable, V any] struct{ mockStorage[K, V] }

func (s *clearable[K, V]) Clear(ctx context.Context) error {
	var none K
	_ = s.free(ctx, none)
	s.stored.Clear()
	_ = s.free(ctx, none)
	return nil
}

func noErrorIn(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}
