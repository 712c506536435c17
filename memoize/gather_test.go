package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

const window = 2 * time.Millisecond

// gathering memoizes a source of many keys that gathers calls.
func gathering(b *batches, opts ...config.Option) *memoize.Func[int, int] {
	return memoize.Must(memoize.NewBatched(b.load, with(append([]config.Option{config.Gather(window), config.Logger(discardLog)}, opts...)...)...))
}

// callEach makes a call for each key from first to last, each on a goroutine. The function it
// returns waits for what they return, in their order.
func callEach(call func(key int) (int, error), first, last int) func() []returned[int] {
	all := make([]returned[int], last-first+1)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i].value, all[i].err = call(first + i) })
	}
	synctest.Wait()
	return func() []returned[int] {
		wg.Wait()
		return all
	}
}

func tenfold(t *testing.T, first int, all []returned[int]) {
	t.Helper()
	for i, r := range all {
		if want := 10 * (first + i); r.err != nil || r.value != want {
			t.Errorf("key %d: %d, %v; want %d", first+i, r.value, r.err, want)
		}
	}
}

// runsOf checks how many keys the source was asked for in each of its runs.
func (b *batches) runsOf(t *testing.T, want ...int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.sizes, want) {
		t.Errorf("the source was asked for %v keys at a time, want %v", b.sizes, want)
	}
}

// A hundred calls that come at once are one run of the source, which begins when the
// window has passed.
func TestGatherIsOneRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{takes: time.Second}
		f := gathering(b)
		began := time.Now()
		all := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 100)
		if s := f.Stats(); s.Loads != 0 || s.LoadsRunning != 1 {
			t.Errorf("before the window has passed: %d loads, %d run", s.Loads, s.LoadsRunning)
		}
		tenfold(t, 1, all())
		if took := time.Since(began); took != window+time.Second {
			t.Errorf("it took %v", took)
		}
		b.runsOf(t, 100)
		tenfold(t, 1, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 100)())
		synctest.Wait()
		if s := f.Stats(); s.Loads != 1 || s.Loaded != 100 || s.Fresh != 100 || s.Calls != 200 || s.LoadsRunning != 0 {
			t.Errorf("the counters are %+v", s)
		}
	})
}

// A batch goes at once when MaxBatch keys are there, and a call that joins a key of it
// takes no place.
func TestGatherGoesWhenFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{takes: time.Second}
		f := gathering(b, config.MaxBatch(10))
		began := time.Now()
		first := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 9)
		again := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 9)
		b.runsOf(t)
		rest := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 10, 25)
		b.runsOf(t, 10, 10)
		tenfold(t, 1, first())
		tenfold(t, 1, again())
		tenfold(t, 10, rest())
		if took := time.Since(began); took != window+time.Second {
			t.Errorf("it took %v", took)
		}
		b.runsOf(t, 10, 10, 5)
	})
}

// Refreshes gather as well: stale hits wait for nothing, and a batch of them takes one
// place in the background.
func TestGatherRefreshes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{takes: time.Second}
		f := gathering(b, config.MaxBackground(1))
		tenfold(t, 1, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 100)())
		time.Sleep(2 * time.Minute)
		began := time.Now()
		_, _ = f.Call(t.Context(), 1) // opens the batch; what comes while it does so is shed
		for range 3 {
			tenfold(t, 1, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 100)())
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("stale hits took %v", took)
		}
		settled(t, f)
		b.runsOf(t, 100, 100)
		if s := f.Stats(); s.Refreshes != 1 || s.Shed != 0 || s.Stale != 301 {
			t.Errorf("the counters are %+v", s)
		}
		time.Sleep(2 * time.Minute) // the place was given back
		_, _ = f.Call(t.Context(), 1)
		settled(t, f)
		b.runsOf(t, 100, 100, 1)
	})
}

// What is missing, what is refreshed in the background and what is forced gather apart.
func TestGatherCausesApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{takes: time.Second}
		var mu sync.Mutex
		causes := map[observe.Cause]int{}
		f := gathering(b, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.LoadStarted {
				mu.Lock()
				causes[e.Cause] += e.Count
				mu.Unlock()
			}
		})))
		tenfold(t, 1, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 5)())
		time.Sleep(2 * time.Minute)
		tenfold(t, 1, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 5)())
		missing := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 11, 17)
		forced := callEach(func(key int) (int, error) { return f.Refresh(t.Context(), key) }, 21, 29)
		tenfold(t, 11, missing())
		tenfold(t, 21, forced())
		settled(t, f)
		if want := (map[observe.Cause]int{observe.Miss: 12, observe.Refresh: 5, observe.Forced: 9}); fmt.Sprint(causes) != fmt.Sprint(want) || b.count() != 4 {
			t.Errorf("%d runs, for %v; want 4, for %v", b.count(), causes, want)
		}
	})
}

// Each caller of a batch keeps its own deadline, whether it comes while calls gather or
// while the source runs, and harms nobody.
func TestG5GatherKeepsDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{takes: time.Second}
		f := gathering(b)
		began := time.Now()
		left := func(key int, after time.Duration) func() []returned[int] {
			return callEach(func(key int) (int, error) {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				v, err := f.Call(ctx, key)
				if took := time.Since(began); took != after || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("key %d is left after %v: %v; want %v", key, took, err, after)
				}
				return v, nil
			}, key, key)
		}
		all := []func() []returned[int]{left(1, window/2), left(2, time.Second/2)} // the first one has opened the batch
		stay := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 3, 5)
		for _, call := range all {
			call()
		}
		tenfold(t, 3, stay())
		b.runsOf(t, 5)
		for key := 1; key <= 2; key++ {
			if v, ok := f.Peek(t.Context(), key); !ok || v != 10*key {
				t.Errorf("key %d, which its caller has left, is stored as %d, %v", key, v, ok)
			}
		}
	})
}

// One key of a batch fails alone.
func TestGatherFailsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		odd := errors.New("odd")
		b := &batches{reply: func(keys []int) (map[int]int, error) {
			values := map[int]int{}
			for _, k := range keys {
				if k != 3 {
					values[k] = 10 * k
				}
			}
			return values, odd
		}}
		f := gathering(b)
		all := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 5)()
		loadError(t, all[2].err, memoize.Failed, odd)
		tenfold(t, 1, all[:2])
		tenfold(t, 4, all[3:])
		b.runsOf(t, 5)
	})
}

// An invalidation fences one key of a batch that runs, and not the others. While calls
// gather there is nothing to fence: what is loaded is newer.
func TestG4GatherFencesOneKey(t *testing.T) {
	for name, opts := range map[string]func(t *testing.T) []config.Option{
		"memory": func(*testing.T) []config.Option { return nil },
		"fenced": func(t *testing.T) []config.Option {
			m := storage.NewMemory()
			t.Cleanup(func() { m.Close() })
			return []config.Option{config.Name("gathers"), sharing(t, m)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := &batches{takes: time.Second}
				f := gathering(b, opts(t)...)
				all := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 5)
				noError(t, f.Invalidate(t.Context(), 1))
				time.Sleep(time.Second / 2)
				noError(t, f.Invalidate(t.Context(), 3))
				tenfold(t, 1, all())
				for key := 1; key <= 5; key++ {
					if f.Has(t.Context(), key) == (key == 3) {
						t.Errorf("key %d: stored %v", key, key != 3)
					}
				}
				if s := f.Stats(); s.Fenced != 1 || s.Loads != 1 {
					t.Errorf("%d are fenced of %d loads", s.Fenced, s.Loads)
				}
			})
		})
	}
}

// A Set of a key that gathers answers who waits for it, and the source is not asked.
func TestGatherSetAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{}
		f := gathering(b)
		all := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 3)
		noError(t, f.Set(t.Context(), 2, 7))
		got := all()
		if got[1].value != 7 || got[1].err != nil || got[0].value != 10 || got[2].value != 30 {
			t.Errorf("got %v", got)
		}
		b.runsOf(t, 2)
	})
}

// A key whose load has to wait, for a Set that stores its value slowly, leaves the batch,
// which it would hold up. What waits so for itself is loaded alone, and answered.
func TestGatherWaitsForNoSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{takes: time.Second}
		s := &mockStorage[int, int]{}
		s.offer = func(ctx context.Context, key int) error {
			if key == 2 && b.count() == 0 { // the Set's
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		}
		f := gathering(b, config.Storage[int, int](s))
		began := time.Now()
		forced := callEach(func(key int) (int, error) {
			v, err := f.Refresh(t.Context(), key)
			want := time.Second + window
			if key == 2 {
				want = time.Second + 100*time.Millisecond
			}
			if took := time.Since(began); took != want {
				t.Errorf("key %d took %v, want %v", key, took, want)
			}
			return v, err
		}, 1, 3)
		set := callEach(func(key int) (int, error) { return 20, f.Set(t.Context(), key, 20) }, 2, 2)
		tenfold(t, 1, forced())
		tenfold(t, 2, set())
		b.runsOf(t, 2, 1)
		synctest.Wait()
		if s := f.Stats(); s.LoadsRunning != 0 || s.Loads != 2 {
			t.Errorf("%d loads, %d run", s.Loads, s.LoadsRunning)
		}
	})
}

// Close sends what has gathered and waits for it.
func TestGatherClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{takes: time.Second}
		f := gathering(b, config.Gather(time.Hour))
		all := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 5)
		began := time.Now()
		noError(t, f.Close(t.Context()))
		if took := time.Since(began); took != time.Second {
			t.Errorf("closing took %v", took)
		}
		tenfold(t, 1, all())
		b.runsOf(t, 5)
	})
}

// A Close whose context has ended cancels a batch that it has sent, and says so.
func TestGatherCloseGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []int) (map[int]int, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, config.Gather(time.Hour), config.Logger(discardLog)))
		all := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 5)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var left *memoize.CloseError
		if err := f.Close(ctx); !errors.As(err, &left) || left.Running != 1 {
			t.Errorf("got %v", err)
		}
		for _, r := range all() {
			loadError(t, r.err, memoize.Failed, context.Canceled)
		}
		noError(t, f.Close(t.Context()))
	})
}

// The method timeout counts from when the batch goes out.
func TestG6GatherTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for takes, late := range map[time.Duration]bool{time.Second / 2: false, 2 * time.Second: true} {
			b := &batches{takes: takes}
			f := gathering(b, config.Gather(time.Hour), config.MethodTimeout(time.Second))
			for _, last := range []int{1, 5} {
				began := time.Now()
				all := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, last)()
				took := time.Since(began)
				if want := time.Hour + min(takes, time.Second); took != want {
					t.Errorf("%d calls took %v, want %v", last, took, want)
				}
				for _, r := range all {
					if late {
						loadError(t, r.err, memoize.TimedOut, memoize.ErrLoadTimeout)
					} else {
						noError(t, r.err)
					}
				}
				time.Sleep(time.Minute)
				settled(t, f)
				noError(t, f.InvalidateAll(t.Context()))
			}
		}
	})
}

// A batch takes one slot, and its source may call the function for other keys, which
// gather too; for a key of its own it is told.
func TestGatherNested(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[int, int]
		var recursion atomic.Int32
		f = memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []int) (map[int]int, error) {
			values := map[int]int{}
			for _, k := range keys {
				values[k] = 10 * k
			}
			if keys[0] < 10 {
				if _, err := f.Call(ctx, keys[1]); errors.Is(err, memoize.ErrRecursion) {
					recursion.Add(1)
				}
				tenfold(t, 11, callEachWithin(func(key int) (int, error) { return f.Call(ctx, key) }, 11, 15))
			}
			return values, nil
		}, config.Gather(window), config.MaxLoads(1), config.Logger(discardLog)))
		began := time.Now()
		tenfold(t, 1, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 5)())
		if took := time.Since(began); took != 2*window || recursion.Load() != 1 {
			t.Errorf("it took %v, and was told of %d recursions", took, recursion.Load())
		}
		if s := f.Stats(); s.Loads != 2 {
			t.Errorf("%d loads", s.Loads)
		}
	})
}

// callEachWithin is callEach from within a source, where nobody may wait for the bubble.
func callEachWithin(call func(key int) (int, error), first, last int) []returned[int] {
	all := make([]returned[int], last-first+1)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i].value, all[i].err = call(first + i) })
	}
	wg.Wait()
	return all
}

// A batch sees the values of the call that has opened it, as far as they are let pass.
func TestGatherContextValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type name struct{}
		var saw []any
		var asked atomic.Int32
		keep := func(ctx context.Context) context.Context {
			asked.Add(1)
			return ctx
		}
		f := memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []int) (map[int]int, error) {
			saw = append(saw, ctx.Value(name{}), len(keys))
			return nil, ctx.Err()
		}, config.Gather(window), config.ContextValues(keep), config.Logger(discardLog)))
		var all []func() []returned[int]
		for i := range 3 {
			all = append(all, callEach(func(key int) (int, error) {
				return f.Call(context.WithValue(t.Context(), name{}, i), key)
			}, i, i))
		}
		for _, call := range all {
			call()
		}
		if fmt.Sprint(saw) != "[0 3]" || asked.Load() != 1 {
			t.Errorf("the source saw %v, and the values were asked for %d times", saw, asked.Load())
		}
	})
}

// Gathering is changed by Apply. A batch of the settings before goes at once, so that none
// is loaded under two.
func TestGatherLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &batches{}
		live := config.Mutable(config.InMemory[int, int](with()...))
		f := memoize.Must(memoize.MemoizeBatched(b.load, live, config.Logger(discardLog)))
		tenfold(t, 1, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 1, 3)())
		b.runsOf(t, 1, 1, 1)
		noError(t, live.Apply(config.Gather(time.Hour)))
		first := callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 11, 13)
		noError(t, live.Apply(config.Gather(window)))
		b.runsOf(t, 1, 1, 1)
		began := time.Now()
		tenfold(t, 21, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 21, 24)())
		tenfold(t, 11, first())
		if took := time.Since(began); took != window {
			t.Errorf("it took %v", took)
		}
		b.runsOf(t, 1, 1, 1, 3, 4)
		noError(t, live.Apply(config.Gather(0)))
		tenfold(t, 31, callEach(func(key int) (int, error) { return f.Call(t.Context(), key) }, 31, 32)())
		b.runsOf(t, 1, 1, 1, 3, 4, 1, 1)
	})
}

// A clock that was handed in is what calls wait by.
func TestGatherByAHandedClock(t *testing.T) {
	mock := clock.NewMock()
	b := &batches{}
	f := gathering(b, config.Clock(mock))
	var all sync.WaitGroup
	for key := range 5 {
		all.Go(func() {
			if v, err := f.Call(t.Context(), key); v != 10*key || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for waits := true; waits; {
		select {
		case <-done:
			waits = false
		default:
			mock.Add(window)
		}
	}
	noError(t, f.Close(t.Context()))
	total := 0
	for _, n := range b.sizes {
		total += n
	}
	if total != 5 {
		t.Errorf("the source was asked for %v", b.sizes)
	}
}

// A function that was made outside of a bubble gathers nothing there, and works.
func TestGatherInAnotherBubble(t *testing.T) {
	b := &batches{}
	f := gathering(b)
	use := func(t *testing.T, first int) {
		var all sync.WaitGroup
		for key := first; key < first+10; key++ {
			all.Go(func() {
				if v, err := f.Call(t.Context(), key); v != 10*key || err != nil {
					t.Errorf("%d: %d, %v", key, v, err)
				}
			})
		}
		all.Wait()
		noError(t, f.Wait(t.Context()))
	}
	for i := range 3 {
		bubble(t, func(t *testing.T) { use(t, 100*i) })
		use(t, 100*i+50)
	}
	noError(t, f.Close(t.Context()))
}

// What can't gather is refused, with what to do.
func TestGatherRefused(t *testing.T) {
	one := func(_ context.Context, key int) (int, error) { return key, nil }
	many := (&batches{}).load
	live := config.Mutable(config.InMemory[int, int]())
	single := memoize.Must(memoize.Memoize(one, live))
	for name, test := range map[string]struct {
		err  func() error
		says string
	}{
		"one key": {func() error { _, err := memoize.New(one, config.Gather(window)); return err }, "memoize.NewBatched"},
		"with all that is wrong": {func() error {
			_, err := memoize.New(one, config.Gather(window), config.IdentityKeys(), config.UpdateStatuses[string, int](nil))
			return err
		}, "memoize.NewBatched"},
		"applied":  {func() error { return live.Apply(config.Gather(window)) }, "memoize.NewBatched"},
		"negative": {func() error { _, err := memoize.NewBatched(many, config.Gather(-1)); return err }, "zero to gather nothing"},
		"unitless": {func() error { _, err := memoize.NewBatched(many, config.Gather(2)); return err }, "2*time.Second"},
	} {
		if err := test.err(); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want what says %q", name, err, test.says)
		}
	}
	if v, err := single.Call(t.Context(), 1); v != 1 || err != nil || live.Snapshot().Gather != 0 {
		t.Errorf("after a change that was refused: %d, %v", v, err)
	}
}

// Whatever comes at once, every caller has its answer and every key its own: batches that
// fill, that the window sends, and that Apply sends.
func TestGatherUnderFire(t *testing.T) {
	b := &batches{}
	live := config.Mutable(config.InMemory[int, int](config.Gather(50*time.Microsecond), config.MaxBatch(7), config.Capacity(50), config.UpdateAfter(0), config.ExpireAfter(time.Hour)))
	f := memoize.Must(memoize.MemoizeBatched(b.load, live, config.Logger(discardLog)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 300 {
				key := (g*7 + i*13) % 90
				switch i % 20 {
				case 5:
					noErrorIn(t, f.Invalidate(ctx, key))
				case 7:
					noErrorIn(t, f.Set(ctx, key, 10*key))
				case 9:
					_, err := f.CallMany(ctx, []int{key, key + 1, key + 2})
					noErrorIn(t, err)
				case 11:
					if g == 0 {
						noErrorIn(t, live.Apply(config.MaxBatch(2+i%7), config.Gather(time.Duration(i%3)*30*time.Microsecond)))
					}
				case 13:
					soon, cancel := context.WithCancel(ctx)
					cancel()
					_, _ = f.Call(soon, key)
				}
				if v, err := f.Call(ctx, key); v != 10*key || err != nil {
					t.Errorf("%d: %d, %v", key, v, err)
				}
				if i%15 == 0 {
					if v, err := f.Refresh(ctx, key); v != 10*key || err != nil {
						t.Errorf("%d: %d, %v", key, v, err)
					}
				}
			}
		})
	}
	all.Wait()
	noError(t, f.Wait(ctx))
	if s := f.Stats(); s.LoadsRunning != 0 || s.Calls != s.Fresh+s.Stale+s.Loaded+s.Joined+s.Failed+s.Left {
		t.Errorf("the counters are %+v", s)
	}
	noError(t, f.Close(ctx))
}
