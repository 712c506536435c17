package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

func TestG9FailingStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow()
		var kinds []observe.Kind
		f, err := memoize.New(func(_ context.Context, k string) (string, error) { return "loaded", nil },
			config.Storage[string, string](s), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
				if e.Kind == observe.StoreFault && e.First || e.Kind == observe.StoreOK {
					kinds = append(kinds, e.Kind)
				}
			})))
		must(t, f, err)
		down := errors.New("connection refused")
		s.hold["get"], s.hold["offer"] = alwaysFails(down), alwaysFails(down)
		for range 3 {
			if v, err := f.Call(t.Context(), "k"); v != "loaded" || err != nil {
				t.Errorf("with the storage down: %q, %v", v, err)
			}
		}
		if err := f.Set(t.Context(), "k", "set"); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, down) {
			t.Errorf("Set: %v", err)
		}
		s.unblock("get")
		s.unblock("offer")
		settled(t, f)
		time.Sleep(time.Minute)
		if v, err := f.Call(t.Context(), "k"); v != "loaded" || err != nil {
			t.Error(v, err)
		}
		settled(t, f)
		if !slices.Equal(kinds, []observe.Kind{observe.StoreFault, observe.StoreOK}) {
			t.Errorf("state changes: %v", kinds)
		}
	})
}

// alwaysFails is a channel that gives the error to everyone who receives from it.
func alwaysFails(err error) chan error {
	c := make(chan error, 1_000)
	for range cap(c) {
		c <- err
	}
	return c
}

func TestG9SlowStorageReadsAsAMissWithinItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow()
		f, err := memoize.New(func(_ context.Context, k string) (string, error) { return "loaded", nil },
			config.Storage[string, string](s), config.StoreBudget(30*time.Millisecond, 50*time.Millisecond), config.Logger(quiet))
		must(t, f, err)
		get, offer := s.block("get"), s.block("offer")
		began := time.Now()
		v, err := f.Call(t.Context(), "k")
		if took := time.Since(began); v != "loaded" || err != nil || took > 30*time.Millisecond*2+50*time.Millisecond {
			t.Errorf("%q, %v after %v", v, err, took)
		}
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		began = time.Now()
		if _, err := f.Call(short, "other"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Millisecond {
			t.Errorf("a caller's own deadline, in a slow storage: %v after %v", err, time.Since(began))
		}
		s.unblock("get")
		s.unblock("offer")
		close(get)
		close(offer)
		synctest.Wait()
		if f.Has(t.Context(), "k") {
			t.Error("what a write left behind that exceeded its budget is served")
		}
		must(t, f, f.Invalidate(t.Context(), "k"))
		f.Call(t.Context(), "k")
		if !f.Has(t.Context(), "k") {
			t.Error("a write that was acknowledged did not end the doubt")
		}
	})
}

func TestG9HungStorageHoldsFewGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow()
		f, err := memoize.New(func(_ context.Context, k string) (string, error) { return "loaded", nil },
			config.Storage[string, string](s), config.Logger(quiet))
		must(t, f, err)
		get, offer := s.block("get"), s.block("offer")
		before := runtime.NumGoroutine()
		for i := range 500 {
			if _, err := f.Call(t.Context(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 64+10 { // the runtime has some of its own
			t.Errorf("a storage that never returns holds %d goroutines", n)
		}
		close(get)
		close(offer)
		synctest.Wait()
	})
}

func TestG9InvalidateWithTheStorageAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow()
		n := 0
		f, err := memoize.New(func(context.Context, string) (string, error) { n++; return fmt.Sprint(n), nil },
			config.Storage[string, string](s), config.Logger(quiet))
		must(t, f, err)
		f.Call(t.Context(), "k")
		s.hold["release"] = alwaysFails(errors.New("down"))
		if err := f.Invalidate(t.Context(), "k"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Invalidate: %v", err)
		}
		if stored, _ := s.inner.Get(t.Context(), "k"); stored == nil {
			t.Fatal("the test expects the old entry to be there")
		}
		if v, err := f.Call(t.Context(), "k"); v != "2" || err != nil {
			t.Errorf("this process serves %q from a storage that could not be reached", v)
		}
	})
}

func TestG9MaxLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		f, err := memoize.New(func(_ context.Context, k int) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return k, nil
		}, config.MaxLoads(4))
		must(t, f, err)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, err := f.Call(t.Context(), i); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); most.Load() != 4 || took != 5*time.Second {
			t.Errorf("%d loads at once, 20 took %v", most.Load(), took)
		}
	})
}

func TestG10OneCallOneConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		old, next := storage.NewInMemory[string, string](), storage.NewInMemory[string, string]()
		live := config.Mutable(config.InMemory[string, string](config.Storage[string, string](old)))
		f, err := memoize.Memoize(g.load, live, config.Logger(quiet))
		must(t, f, err)
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		must(t, f, live.Apply(config.Storage[string, string](next), config.Postprocess(config.CopyBy(strings.ToUpper))))
		g.open(0, nil)
		if r := <-replies; r.value != "k@0" {
			t.Errorf("the call saw %q, half of a newer configuration", r.value)
		}
		if old.Len() != 1 || next.Len() != 0 {
			t.Errorf("the load stored in %d/%d", old.Len(), next.Len())
		}
		replies = in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		g.open(1, nil)
		if r := <-replies; r.value != "K@0" || next.Len() != 1 {
			t.Errorf("the next call got %q", r.value)
		}
	})
}

func TestG10InvalidationReachesEveryStorageInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		old, next := storage.NewInMemory[string, string](), storage.NewInMemory[string, string]()
		live := config.Mutable(config.InMemory[string, string](config.Storage[string, string](old)))
		f, err := memoize.Memoize(g.load, live, config.Logger(quiet))
		must(t, f, err)
		must(t, f, f.Set(t.Context(), "k", "old"))
		in(1, func() (string, error) { return f.Call(t.Context(), "running") }) // keeps the old snapshot in use
		synctest.Wait()
		must(t, f, live.Apply(config.Storage[string, string](next)))
		must(t, f, f.Set(t.Context(), "k", "new"))
		must(t, f, f.Invalidate(t.Context(), "k"))
		if old.Len() != 0 || next.Len() != 0 {
			t.Errorf("%d and %d entries are left", old.Len(), next.Len())
		}
		g.open(0, nil)
		must(t, f, f.Wait(t.Context()))
		must(t, f, live.Apply(config.Storage[string, string](old)))
		if old.Len() != 0 {
			t.Error("a storage in memory that came back into force was not cleared")
		}
	})
}

func TestG10SwapsOfTheStrategy(t *testing.T) {
	ctx := t.Context()
	live := config.Mutable(config.InMemory[int, int](config.Capacity(100)))
	f, err := memoize.Memoize(func(_ context.Context, k int) (int, error) { return k, nil }, live, config.Logger(quiet), config.ExactClock())
	must(t, f, err)
	for i := range 100 {
		f.Call(ctx, i)
	}
	must(t, f, live.Apply(config.Evict(eviction.LeastRecentlyUpdated[int](10))))
	if f.Len() != 10 {
		t.Fatalf("after a shrink to 10 %d are held", f.Len())
	}
	for i := 90; i < 100; i++ {
		if !f.Has(ctx, i) {
			t.Errorf("%d, one of the last written, is gone", i)
		}
	}
	other, err := memoize.New(func(_ context.Context, k int) (int, error) { return k, nil }, config.Name("other"))
	must(t, other, err)
	taken := eviction.LeastRecentlyUpdated[int](5)
	_, err = memoize.New(func(_ context.Context, k int) (int, error) { return k, nil }, config.Name("third"), config.Evict(taken))
	must(t, other, err)
	err = live.Apply(config.MethodTimeout(time.Second), config.Evict(taken))
	if err == nil || !strings.Contains(err.Error(), "third") || !strings.Contains(err.Error(), f.Name()) {
		t.Errorf("a strategy that serves another function was taken: %v", err)
	}
	if live.Snapshot().MethodTimeout == time.Second {
		t.Error("half of a change is in force")
	}
}

// TestG11CapacityUnderFire changes storage and capacity while callers run, and holds
// the bound to what is in force when all is quiet. Its strategy is one that keeps no key
// for having been asked for often: new keys push out all that it knows.
func TestG11CapacityUnderFire(t *testing.T) {
	ctx := context.Background()
	live := config.Mutable(config.InMemory[int, int](config.Evict(eviction.LeastRecentlyUpdated[int](50))))
	f, err := memoize.Memoize(func(_ context.Context, k int) (int, error) { return k, nil }, live, config.Logger(quiet))
	must(t, f, err)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := w; ; i += 7 {
				select {
				case <-done:
					return
				default:
				}
				switch i % 11 {
				case 0:
					f.Invalidate(ctx, i%200)
				case 1:
					f.Set(ctx, i%200, i)
				case 2:
					f.Touch(ctx, i%200)
				case 3:
					f.Refresh(ctx, i%200)
				default:
					f.Call(ctx, i%200)
				}
			}
		})
	}
	for i := range 60 {
		must(t, f, live.Apply(config.Capacity(10+i%5*10)))
		if i%7 == 0 {
			must(t, f, live.Apply(config.Storage[int, int](storage.NewInMemory[int, int]())))
		}
		if i%10 == 0 {
			must(t, f, f.InvalidateAll(ctx))
		}
	}
	close(done)
	wg.Wait()
	must(t, f, f.Wait(ctx))
	capacity := live.Snapshot().Eviction.(eviction.Bounded).Capacity()
	if f.Len() > capacity {
		t.Errorf("%d entries are held, the capacity is %d", f.Len(), capacity)
	}
	for i := range 1_000 { // and the strategy knows every one of them
		f.Call(ctx, 1_000+i)
	}
	must(t, f, f.Wait(ctx))
	if f.Len() != capacity {
		t.Errorf("after 1,000 new keys %d entries are held, want %d", f.Len(), capacity)
	}
	for i := range 200 {
		if f.Has(ctx, i) {
			t.Errorf("key %d was forgotten by the strategy and stays for ever", i)
		}
	}
	must(t, f, f.Close(ctx))
}

func TestG11NoGoroutineAtRest(t *testing.T) { // E14
	before := runtime.NumGoroutine()
	for i := range 200 {
		f, err := memoize.New(func(_ context.Context, k int) (int, error) { return k, nil })
		must(t, f, err)
		f.Call(t.Context(), i)
		must(t, f, f.Wait(t.Context()))
	}
	if n := runtime.NumGoroutine() - before; n > 10 { // the runtime has some of its own
		t.Errorf("200 functions that hold something keep %d goroutines", n)
	}
}

func TestG11Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g)
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		closed := make(chan error, 2)
		for range 2 {
			go func() { closed <- f.Close(t.Context()) }()
		}
		synctest.Wait()
		if _, err := f.Call(t.Context(), "k"); !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("a new call got %v", err)
		}
		if err := f.Invalidate(t.Context(), "k"); !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("an invalidation got %v", err)
		}
		g.open(0, nil)
		if r := <-replies; r.value != "k@0" || r.err != nil {
			t.Errorf("a call that waited got %v", r)
		}
		for range 2 {
			must(t, f, <-closed)
		}
	})
}

func TestG11CloseCancelsAndSaysWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polite, deaf := &gated{}, &gated{deaf: true}
		f, h := newGated(t, polite), newGated(t, deaf)
		a := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		b := in(1, func() (string, error) { return h.Call(t.Context(), "k") })
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, c := range []memoize.Handle{f, h} {
			err := c.Close(short)
			var e *memoize.CloseError
			if !errors.As(err, &e) || e.Running != 1 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v", err)
			}
		}
		if r := <-a; !errors.Is(r.err, context.Canceled) {
			t.Errorf("a load that obeys its context ended with %v", r)
		}
		must(t, f, f.Close(t.Context()))
		deaf.open(0, nil)
		<-b
		must(t, h, h.Close(t.Context()))
	})
}

func TestG12Keys(t *testing.T) {
	type pair struct{ A, B string }
	n := 0
	count := func(context.Context, any) (*user, error) { n++; return new(user), nil } // another at each load
	f, err := memoize.New(count, config.Capacity(1000))
	must(t, f, err)
	keys := []any{1, "1", int64(1), uint8(1), 1.0, true, nil, "", pair{"a:b", "c"}, pair{"a", "b:c"}, [2]string{"a", "b"}, [1]any{1}, [1]any{"1"}}
	seen, texts := map[*user]any{}, map[string]any{}
	for range 2 {
		for _, k := range keys {
			v, err := f.Call(t.Context(), k)
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := seen[v]; ok && other != k {
				t.Errorf("%#v and %#v share a value", k, other)
			}
			seen[v] = k
			text, err := f.Key(k)
			if other, ok := texts[text]; err != nil || ok && other != k {
				t.Errorf("%#v and %#v have the text %s, %v", k, other, text, err)
			}
			texts[text] = k
		}
	}
	if n != len(keys) {
		t.Errorf("%d loads for %d keys", n, len(keys))
	}
}

func TestG12NaN(t *testing.T) {
	f, err := memoize.New(func(context.Context, float64) (int, error) { return 7, nil })
	must(t, f, err)
	nan := math.NaN()
	for range 3 {
		if v, err := f.Call(t.Context(), nan); v != 7 || err != nil {
			t.Error(v, err)
		}
	}
	if _, err := f.CallMany(t.Context(), []float64{nan, nan, 1}); err != nil {
		t.Error(err)
	}
	if err := f.Set(t.Context(), nan, 1); !errors.Is(err, memoize.ErrKey) {
		t.Error(err)
	}
	must(t, f, f.Invalidate(t.Context(), nan))
	if _, err := f.Key(nan); !errors.Is(err, memoize.ErrKey) {
		t.Error(err)
	}
	if f.Len() != 1 || f.Has(t.Context(), nan) {
		t.Error("NaN was stored")
	}
}

func TestG12RefusedKeys(t *testing.T) {
	_, err := memoize.New(func(context.Context, *program) (*user, error) { return nil, nil })
	if err == nil || !strings.Contains(err.Error(), "NewKeyed") || !strings.Contains(err.Error(), "IdentityKeys") {
		t.Errorf("a pointer: %v", err)
	}
	f, err := memoize.New(func(context.Context, any) (*user, error) { return nil, nil })
	must(t, f, err)
	for _, key := range []any{[]int{1}, map[string]int{}, func() {}, new(int), time.Now(), [1]any{[]int{}}, struct{ P *int }{}} {
		if _, err := f.Call(t.Context(), key); !errors.Is(err, memoize.ErrKey) || !strings.Contains(err.Error(), "NewKeyed") {
			t.Errorf("a %T as a key: %v", key, err)
		}
	}
	p, want := new(program), new(user)
	g, err := memoize.New(func(context.Context, *program) (*user, error) { return want, nil }, config.IdentityKeys())
	must(t, g, err)
	if v, err := g.Call(t.Context(), p); v != want || err != nil {
		t.Error(v, err)
	}
}

func TestG12Scope(t *testing.T) {
	type tenant struct{}
	n := 0
	f, err := memoize.NewScoped(func(context.Context, string) (*user, error) { n++; return &user{N: n}, nil },
		func(ctx context.Context) (string, error) {
			name, ok := ctx.Value(tenant{}).(string)
			if !ok {
				return "", errors.New("no tenant")
			}
			return name, nil
		})
	must(t, f, err)
	a, b := context.WithValue(t.Context(), tenant{}, "a"), context.WithValue(t.Context(), tenant{}, "b")
	for range 2 {
		if v, err := number(f.Call(a, "k")); v != 1 || err != nil {
			t.Error(v, err)
		}
		if v, err := number(f.Call(b, "k")); v != 2 || err != nil {
			t.Error(v, err)
		}
	}
	if _, err := f.Call(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "no tenant") {
		t.Errorf("a call without a scope: %v", err)
	}
}

func TestG13HitsDoNotAllocate(t *testing.T) {
	ctx := t.Context()
	checkAllocs(t, "string", "abc", ctx)
	checkAllocs(t, "int", 1<<30, ctx)
	checkAllocs(t, "struct", host{netip.MustParseAddr("2001:db8::1"), 42}, ctx)
	checkAllocs(t, "array", [4]int64{1, 2, 3, 4}, ctx)
}

func checkAllocs[K comparable](t *testing.T, name string, k K, ctx context.Context) {
	t.Helper()
	const large = 1_000_000 // it would be allocated in an interface
	for _, exact := range []bool{false, true} {
		mock := []config.Option{config.UpdateAfter(time.Nanosecond), config.ExpireAfter(time.Hour), config.Logger(quiet)}
		if exact {
			mock = append(mock, config.ExactClock())
		}
		hold := make(chan struct{})
		loads := 0
		stale, err := memoize.New(func(context.Context, K) (int, error) {
			if loads++; loads > 1 {
				<-hold
			}
			return large, nil
		}, mock...)
		must(t, stale, err)
		stale.Call(ctx, k)
		stale.Call(ctx, k) // starts the refresh that hangs
		if n := testing.AllocsPerRun(1_000, func() { stale.Call(ctx, k) }); n != 0 {
			t.Errorf("%s key, exact %v: %v allocations on a stale hit", name, exact, n)
		}
		if s := stale.Stats(); s.Stale < 1_000 {
			t.Errorf("the hits were not stale: %+v", s)
		}
		close(hold)
		must(t, stale, stale.Close(ctx))

		fresh, err := memoize.New(func(context.Context, K) (int, error) { return large, nil }, mock[2:]...)
		must(t, fresh, err)
		fresh.Call(ctx, k)
		if n := testing.AllocsPerRun(1_000, func() { fresh.Call(ctx, k) }); n != 0 {
			t.Errorf("%s key, exact %v: %v allocations on a fresh hit", name, exact, n)
		}
		must(t, fresh, fresh.Close(ctx))
	}
}

func TestStatsAddUp(t *testing.T) {
	f, err := memoize.New(func(ctx context.Context, k int) (int, error) {
		switch {
		case k%7 == 0:
			return 0, errors.New("down")
		case k%11 == 0:
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return k, nil
	}, config.UpdateAfter(time.Microsecond), config.ExpireAfter(time.Hour), config.MethodTimeout(5*time.Millisecond), config.Capacity(20), config.Logger(quiet))
	must(t, f, err)
	var wg sync.WaitGroup
	var calls, succeeded, errored, gone atomic.Uint64
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if i%5 == 0 {
					ctx, cancel = context.WithTimeout(ctx, 50*time.Microsecond)
				}
				calls.Add(1)
				var err error
				if i%9 == 0 {
					_, err = f.Refresh(ctx, (i+w)%40)
				} else {
					_, err = f.Call(ctx, (i+w)%40)
				}
				switch {
				case err == nil:
					succeeded.Add(1)
				case errors.Is(err, memoize.ErrLoadFailed):
					errored.Add(1)
				default:
					gone.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	s := f.Stats()
	if s.Calls != calls.Load() || s.Fresh+s.Stale+s.Loaded+s.Joined != succeeded.Load() || s.Failed != errored.Load() || s.Left != gone.Load() {
		t.Errorf("%d calls: %d succeeded, %d failed, %d left; stats %+v", calls.Load(), succeeded.Load(), errored.Load(), gone.Load(), s)
	}
	var ages uint64
	for _, n := range s.Ages {
		ages += n
	}
	if ages != s.Fresh+s.Stale {
		t.Errorf("%d ages for %d hits", ages, s.Fresh+s.Stale)
	}
	must(t, f, f.Close(context.Background()))
}
