package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
)

// gated is a source whose loads are held until the test lets them go.
type gated struct {
	mu      sync.Mutex
	started int
	running int
	most    int // loads that ran at once
	version int // what a load sees when it begins
	deaf    bool
	gates   []chan error
}

func (g *gated) load(ctx context.Context, key string) (string, error) {
	g.mu.Lock()
	g.started++
	g.running++
	g.most = max(g.most, g.running)
	value := fmt.Sprintf("%s@%d", key, g.version)
	gate := make(chan error, 1)
	g.gates = append(g.gates, gate)
	deaf := g.deaf
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.running--
		g.mu.Unlock()
	}()
	if deaf {
		return value, <-gate
	}
	select {
	case err := <-gate:
		return value, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// open lets load i (from 0) go, with the error given.
func (g *gated) open(i int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gates[i] <- err
}

func (g *gated) set(version int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.version = version
}

func (g *gated) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.started
}

func must[F any](t testing.TB, f F, err error) F { // f, or the end of the test
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// reply is what a call returned.
type reply struct {
	value string
	err   error
}

// in runs calls in the background and returns where their replies come.
func in(n int, call func() (string, error)) chan reply {
	replies := make(chan reply, n)
	for range n {
		go func() {
			v, err := call()
			replies <- reply{v, err}
		}()
	}
	return replies
}

func newGated(t testing.TB, g *gated, opts ...config.Option) *memoize.Func[string, string] {
	t.Helper()
	f, err := memoize.New(g.load, append(opts, config.Logger(quiet))...)
	return must(t, f, err)
}

func TestG1TenThousandCallersOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g)
		replies := in(10_000, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		if g.count() != 1 {
			t.Fatalf("%d loads run for 10,000 callers", g.count())
		}
		g.open(0, nil)
		for range 10_000 {
			if r := <-replies; r.err != nil || r.value != "k@0" {
				t.Fatal(r)
			}
		}
		if s := f.Stats(); s.Loads != 1 || s.Loaded != 1 || s.Joined != 9_999 || s.Calls != 10_000 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestG1ReallyConcurrent(t *testing.T) {
	var running, most, loads atomic.Int64
	f, err := memoize.New(func(context.Context, int) (int, error) {
		loads.Add(1)
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		runtime.Gosched()
		running.Add(-1)
		return 0, nil
	}, config.Capacity(0)) // nothing is kept: every call joins or loads
	must(t, f, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2_000 {
				if _, err := f.Call(context.Background(), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d loads of one key ran at once, of %d", most.Load(), loads.Load())
	}
}

func TestG1TwoLoadsOfAKeyAtMostWhateverIsInvalidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{deaf: true}
		f := newGated(t, g)
		for i := range 5 {
			in(1, func() (string, error) { return f.Call(t.Context(), "k") })
			synctest.Wait()
			must(t, f, f.Invalidate(t.Context(), "k"))
			if got, want := g.count(), min(i+1, 2); got != want {
				t.Fatalf("after %d invalidations %d loads have begun, want %d", i+1, got, want)
			}
		}
		if n := f.Stats().SupersededRunning; n != 2 {
			t.Errorf("%d superseded loads run, want 2", n)
		}
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		g.set(7)
		g.open(0, nil)
		synctest.Wait()
		g.open(1, nil)
		synctest.Wait()
		g.open(2, nil)
		if r := <-replies; r.err != nil || r.value != "k@7" {
			t.Errorf("the call that waited for superseded loads got %v, want the value of a load begun after them", r)
		}
		if g.most > 2 {
			t.Errorf("%d loads of one key ran at once", g.most)
		}
		if n := f.Stats().SupersededRunning; n != 0 {
			t.Errorf("%d superseded loads are still counted", n)
		}
	})
}

func TestG1MaxRunaway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{deaf: true}
		f := newGated(t, g, config.MethodTimeout(time.Second), config.MaxRunaway(3))
		for i := range 3 {
			_, err := f.Call(t.Context(), fmt.Sprint(i))
			if !errors.Is(err, memoize.ErrLoadTimeout) {
				t.Fatal(err)
			}
		}
		before := time.Now()
		_, err := f.Call(t.Context(), "another")
		if !errors.Is(err, memoize.ErrRunaway) || !errors.Is(err, memoize.ErrLoadFailed) {
			t.Errorf("with 3 hung loads a call got %v, want ErrRunaway", err)
		}
		if time.Since(before) != 0 || g.count() != 3 {
			t.Errorf("it waited %v, and %d loads have begun", time.Since(before), g.count())
		}
		g.open(0, nil)
		synctest.Wait()
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "another") })
		synctest.Wait()
		g.open(3, nil)
		if r := <-replies; r.err != nil {
			t.Errorf("with one of them gone a call got %v", r.err)
		}
		g.open(1, nil)
		g.open(2, nil)
	})
}

func TestG3StaleNeverWaits(t *testing.T) { // E1
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour))
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		g.open(0, nil)
		<-replies
		time.Sleep(2 * time.Minute)
		before, goroutines := time.Now(), runtime.NumGoroutine()
		for range 1_000 {
			r, err := f.Result(t.Context(), "k")
			if err != nil || r.State != entry.Stale || r.Why != memoize.Stale || r.Age != 2*time.Minute {
				t.Fatal(r, err)
			}
		}
		synctest.Wait()
		if time.Since(before) != 0 {
			t.Errorf("a thousand stale hits waited %v", time.Since(before))
		}
		if n := runtime.NumGoroutine() - goroutines; n > 10 { // the runtime has some of its own that come and go
			t.Errorf("a thousand stale hits started %d goroutines", n)
		}
		if g.count() != 2 {
			t.Errorf("%d loads, want 2", g.count())
		}
		g.open(1, nil)
		must(t, f, f.Wait(t.Context()))
	})
}

func TestG3BackgroundLimitServesStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.MaxBackground(2))
		for i := range 5 {
			must(t, f, f.Set(t.Context(), fmt.Sprint(i), "old"))
		}
		time.Sleep(2 * time.Minute)
		for i := range 5 {
			if v, err := f.Call(t.Context(), fmt.Sprint(i)); v != "old" || err != nil {
				t.Fatal(v, err)
			}
		}
		synctest.Wait()
		if s := f.Stats(); g.count() != 2 || s.Shed != 3 || s.RefreshesRunning != 2 {
			t.Errorf("%d refreshes began, stats %+v", g.count(), s)
		}
		g.open(0, nil)
		g.open(1, nil)
		synctest.Wait()
		for i := range 5 {
			f.Call(t.Context(), fmt.Sprint(i))
		}
		synctest.Wait()
		if g.count() != 4 {
			t.Errorf("%d refreshes began after two had ended, want 4", g.count())
		}
		g.open(2, nil)
		g.open(3, nil)
	})
}

func TestG5LeaderLeaves(t *testing.T) { // E2
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g)
		leader, cancel := context.WithCancel(t.Context())
		led := in(1, func() (string, error) { return f.Call(leader, "k") })
		synctest.Wait()
		joined := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		cancel()
		if r := <-led; !errors.Is(r.err, context.Canceled) {
			t.Errorf("the leader that left got %v", r.err)
		}
		g.open(0, nil)
		if r := <-joined; r.err != nil || r.value != "k@0" {
			t.Errorf("the one who stayed got %v", r)
		}
		if v, ok := f.Peek(t.Context(), "k"); !ok || v != "k@0" {
			t.Error("the value was not stored")
		}
		if s := f.Stats(); g.count() != 1 || s.Left != 1 || s.Joined != 1 {
			t.Errorf("%d loads, stats %+v", g.count(), s)
		}
	})
}

func TestG5WaiterHasItsOwnDeadline(t *testing.T) { // E3
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g)
		led := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := f.Call(short, "k")
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 20*time.Millisecond {
			t.Errorf("the waiter left after %v with %v", took, err)
		}
		g.open(0, nil)
		if r := <-led; r.err != nil {
			t.Error(r.err)
		}
	})
}

func TestG5ContextThatIsDone(t *testing.T) {
	g := &gated{}
	f := newGated(t, g)
	must(t, f, f.Set(t.Context(), "hit", "v"))
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := f.Call(done, "hit"); v != "v" || err != nil {
		t.Errorf("a hit looked at the context: %v", err)
	}
	if _, err := f.Call(done, "miss"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := f.Refresh(done, "hit"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s := f.Stats(); g.count() != 0 || s.LoadsRunning != 0 || s.Left != 2 {
		t.Errorf("something was started: %d loads, %+v", g.count(), s)
	}
}

func TestG5LoadKeepsValuesAndNotCancellation(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		f, err := memoize.New(func(ctx context.Context, _ string) (string, error) {
			deadline, ok := ctx.Deadline()
			time.Sleep(time.Second)
			return fmt.Sprintln(ctx.Value(key{}), ctx.Err(), ok, time.Until(deadline)), nil
		}, config.MethodTimeout(time.Minute))
		must(t, f, err)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "tenant"), time.Millisecond)
		defer cancel()
		if _, err := f.Call(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		must(t, f, f.Wait(t.Context()))
		if v, _ := f.Peek(t.Context(), "k"); v != "tenant <nil> true 59s\n" {
			t.Errorf("the load saw %q", v)
		}
	})
}

func TestG6HungSourceIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{deaf: true}
		f := newGated(t, g, config.MethodTimeout(time.Second))
		began := time.Now()
		replies := in(3, func() (string, error) { return f.Call(t.Context(), "k") })
		for range 3 {
			r := <-replies
			var timeout interface{ Timeout() bool }
			if !errors.Is(r.err, memoize.ErrLoadTimeout) || !errors.Is(r.err, memoize.ErrLoadFailed) ||
				errors.Is(r.err, context.DeadlineExceeded) || !errors.As(r.err, &timeout) || !timeout.Timeout() {
				t.Errorf("released with %v", r.err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("released after %v", took)
		}
		g.set(1)
		again := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		if g.count() != 2 {
			t.Fatal("the key can't be loaded again")
		}
		g.open(1, nil)
		if r := <-again; r.value != "k@1" || r.err != nil {
			t.Error(r)
		}
		g.open(0, nil) // the late result is older than what is stored
		synctest.Wait()
		if v, _ := f.Peek(t.Context(), "k"); v != "k@1" {
			t.Errorf("a late result replaced a newer value: %q", v)
		}
		if s := f.Stats(); s.Late != 1 || s.Superseded != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestG6LateResultIsStoredIfNothingIsNewer(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, f *memoize.Func[string, string]){
		"nothing":      nil,
		"failed load":  nil,
		"set":          func(t *testing.T, f *memoize.Func[string, string]) { must(t, f, f.Set(t.Context(), "k", "set")) },
		"invalidation": func(t *testing.T, f *memoize.Func[string, string]) { must(t, f, f.Invalidate(t.Context(), "k")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gated{deaf: true}
				f := newGated(t, g, config.MethodTimeout(time.Second))
				f.Call(t.Context(), "k")
				switch {
				case name == "failed load":
					replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
					synctest.Wait()
					g.open(1, errors.New("down"))
					<-replies
				case meanwhile != nil:
					meanwhile(t, f)
				}
				g.open(0, nil)
				synctest.Wait()
				v, ok := f.Peek(t.Context(), "k")
				want := map[string]string{"nothing": "k@0", "failed load": "k@0", "set": "set", "invalidation": ""}[name]
				if v != want || ok != (want != "") {
					t.Errorf("after the late result %q is stored, want %q", v, want)
				}
			})
		})
	}
}

func TestG6SourceThatObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g, config.MethodTimeout(time.Second))
		if _, err := f.Call(t.Context(), "k"); !errors.Is(err, memoize.ErrLoadTimeout) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if s := f.Stats(); s.LoadsRunning != 0 || s.SupersededRunning != 0 || s.Late != 1 {
			t.Errorf("the source has returned, and stats are %+v", s)
		}
	})
}

func TestG7PanicIsAnError(t *testing.T) { // E5
	synctest.Test(t, func(t *testing.T) {
		hold, mode := make(chan struct{}), atomic.Value{}
		f, err := memoize.New(func(context.Context, string) (string, error) {
			<-hold
			switch mode.Load() {
			case "panic":
				panic("boom")
			case "goexit":
				runtime.Goexit()
			}
			return "fine", nil
		}, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Logger(quiet))
		must(t, f, err)
		for _, how := range []string{"panic", "goexit"} {
			mode.Store(how)
			replies := in(3, func() (string, error) { return f.Call(t.Context(), "k") })
			synctest.Wait()
			hold <- struct{}{}
			for range 3 {
				r := <-replies
				var p *memoize.PanicError
				if !errors.As(r.err, &p) || !strings.Contains(string(p.Stack), "goroutine") {
					t.Fatalf("%s: a waiter got %q, %v", how, r.value, r.err)
				}
				if how == "goexit" && !errors.Is(r.err, memoize.ErrGoexit) {
					t.Errorf("goexit: %v", p.Value)
				}
			}
		}
		mode.Store("")
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		hold <- struct{}{}
		if r := <-replies; r.value != "fine" || r.err != nil {
			t.Fatalf("the key is wedged: %v", r)
		}
		mode.Store("panic")
		time.Sleep(2 * time.Minute)
		if v, err := f.Call(t.Context(), "k"); v != "fine" || err != nil { // the refresh panics in the background
			t.Error(v, err)
		}
		hold <- struct{}{}
		must(t, f, f.Wait(t.Context()))
		if s := f.Stats(); s.Panics != 3 {
			t.Errorf("%d panics are counted, want 3", s.Panics)
		}
	})
}

func TestG7PanicsOfTheParts(t *testing.T) {
	source := func(_ context.Context, k string) (string, error) { return k, nil }
	for name, opt := range map[string]config.Option{
		"builder": config.Builder(entry.BuilderFunc[string, string](func(string, string, entry.Instant) *entry.Entry[string] { panic("boom") })),
		"builder goexit": config.Builder(entry.BuilderFunc[string, string](func(string, string, entry.Instant) *entry.Entry[string] {
			runtime.Goexit()
			return nil
		})),
		"builder nil":    config.Builder(entry.BuilderFunc[string, string](func(string, string, entry.Instant) *entry.Entry[string] { return nil })),
		"key":            config.Keys(config.KeyOf(func(string) string { panic("boom") })),
		"postprocessing": config.Postprocess(config.CopyBy(func(string) string { panic("boom") })),
		"strategy":       config.Evict[string](panicky{}),
	} {
		t.Run(name, func(t *testing.T) {
			f, err := memoize.New(source, opt, config.Logger(quiet))
			must(t, f, err)
			panicsTwice(t, name, f)
		})
	}
	t.Run("scope", func(t *testing.T) {
		f, err := memoize.NewScoped(func(context.Context, string) (*user, error) { return new(user), nil }, func(context.Context) (string, error) { panic("boom") }, config.Logger(quiet))
		must(t, f, err)
		panicsTwice(t, "scope", f)
	})
}

func panicsTwice[V any](t *testing.T, name string, f *memoize.Func[string, V]) {
	for range 2 {
		_, err := f.Call(t.Context(), "k")
		var p *memoize.PanicError
		if name != "builder nil" && !errors.As(err, &p) || err == nil {
			t.Errorf("got %v", err)
		}
	}
	must(t, f, f.Wait(t.Context()))
	if s := f.Stats(); s.Failed != 2 && name != "postprocessing" {
		t.Errorf("%+v", s)
	}
}

func TestG8FailureNeverReplacesGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		loads := 0
		f, err := memoize.New(func(context.Context, int) (int, error) {
			if loads++; fail.Load() {
				return 0, errors.New("down")
			}
			return loads, nil
		}, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Logger(quiet))
		must(t, f, err)
		f.Call(t.Context(), 1)
		fail.Store(true)
		if _, err := f.Refresh(t.Context(), 1); !errors.Is(err, memoize.ErrLoadFailed) {
			t.Error(err)
		}
		if v, err := f.Call(t.Context(), 1); v != 1 || err != nil {
			t.Errorf("after a failed refresh: %v, %v", v, err)
		}
		for range 3 { // cold calls always try
			if _, err := f.Call(t.Context(), 2); err == nil {
				t.Error("a failure was cached")
			}
		}
		if loads != 5 {
			t.Errorf("%d loads", loads)
		}
	})
}

func TestG8BackOff(t *testing.T) { // E6, E14
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		var mu sync.Mutex
		var seen []time.Time
		tried := func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(seen)
		}
		f, err := memoize.New(func(context.Context, int) (int, error) {
			if fail.Load() {
				mu.Lock()
				seen = append(seen, time.Now())
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				return 0, errors.New("down")
			}
			return 1, nil
		}, config.UpdateAfter(100*time.Millisecond), config.ExpireAfter(300*time.Millisecond), config.Logger(quiet))
		must(t, f, err)
		f.Call(t.Context(), 1)
		fail.Store(true)
		for began := time.Now(); time.Since(began) < 300*time.Millisecond; time.Sleep(time.Millisecond) {
			before := time.Now()
			if v, err := f.Call(t.Context(), 1); v != 1 || err != nil {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
			if time.Since(before) != 0 {
				t.Fatal("a stale call waited for a failing source")
			}
		}
		// The stale window is 200 ms: delays of at most 20, 40, 50, 50 ms, at
		// least half of that, each after 5 ms of load.
		tries := tried()
		if n := len(tries); n < 4 || n > 8 {
			t.Errorf("%d tries within the stale window", n)
		}
		for i := 1; i < len(tries); i++ {
			most := []time.Duration{20, 40, 50, 50, 50, 50, 50, 50}[i-1] * time.Millisecond
			gap := tries[i].Sub(tries[i-1]) - 5*time.Millisecond
			if gap < most/2 || gap > most+2*time.Millisecond {
				t.Errorf("try %d came %v after the one before had failed, want %v to %v", i, gap, most/2, most)
			}
		}
		time.Sleep(10 * time.Millisecond) // a refresh that ran at the end has failed
		n := len(tried())
		for range 3 { // expired calls always try
			f.Call(t.Context(), 1)
		}
		if m := len(tried()); m != n+3 {
			t.Errorf("%d tries by 3 expired calls", m-n)
		}
	})
}
