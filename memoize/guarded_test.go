package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// pool is a source of which a test sees how many loads are within it.
type pool struct {
	mu     sync.Mutex
	takes  time.Duration
	err    error
	hangs  bool // until its context ends
	deaf   bool // or does not even look at that, for ten minutes
	within int
	most   int
	asked  []int
}

func (p *pool) load(ctx context.Context, key int) (int, error) {
	p.mu.Lock()
	p.asked = append(p.asked, key)
	p.within++
	p.most = max(p.most, p.within)
	takes, err, hangs, deaf := p.takes, p.err, p.hangs, p.deaf
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.within--
	}()
	switch {
	case deaf:
		time.Sleep(10 * time.Minute)
	case hangs:
		<-ctx.Done()
		return 0, ctx.Err()
	default:
		time.Sleep(takes)
	}
	return key, err
}

func (p *pool) set(change func(p *pool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *pool) loads() (asked, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked), p.most
}

// newGuard makes a guard that writes no log.
func newGuard(t *testing.T, opts ...guard.Option) *guard.Guard {
	t.Helper()
	g, err := guard.New("pool", append([]guard.Option{guard.Logger(nil)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// behind memoizes the pool's loads behind a guard.
func behind(t *testing.T, p *pool, g *guard.Guard, opts ...config.Option) *memoize.Func[int, int] {
	t.Helper()
	f, err := memoize.New(p.load, append([]config.Option{config.Guard(g), config.Logger(nil), config.MethodTimeout(10 * time.Second)}, opts...)...)
	madeOf(t, f, err)
	return f
}

// beginKeys calls for keys, one after another, with a patience, and returns what waits for
// their errors.
func beginKeys(f *memoize.Func[int, int], patience time.Duration, keys ...int) (wait func() []error) {
	errs := make([]error, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, errs[i] = f.Call(ctx, key)
		})
		synctest.Wait() // so that they come in their order
	}
	return func() []error {
		all.Wait()
		return errs
	}
}

func callKeys(f *memoize.Func[int, int], patience time.Duration, keys ...int) []error {
	return beginKeys(f, patience, keys...)()
}

func upTo(n int) (keys []int) {
	for key := range n {
		keys = append(keys, key)
	}
	return keys
}

func wantOverloaded(t *testing.T, err error) *guard.OverloadedError {
	t.Helper()
	var o *guard.OverloadedError
	if !errors.Is(err, memoize.ErrOverloaded) || !errors.Is(err, memoize.ErrLoadFailed) || !errors.As(err, &o) || o.Guard != "pool" {
		t.Fatalf("got %v, want ErrOverloaded of the pool's guard", err)
	}
	var l *memoize.LoadError
	if !errors.As(err, &l) || l.Reason != memoize.Refused {
		t.Fatalf("got %+v, want a LoadError that was refused", err)
	}
	return o
}

func TestG19LoadsInFlightStayUnderTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{takes: 100 * time.Millisecond}, newGuard(t, guard.Fixed(3))
		f, other := behind(t, p, g), behind(t, p, g, config.Name("other"))
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				_, _ = f.Call(t.Context(), i)
				_, _ = other.Direct(t.Context(), 100+i)
				_, _ = other.Refresh(t.Context(), 200+i)
			})
		}
		all.Wait()
		if asked, most := p.loads(); most != 3 || asked < 20 {
			t.Errorf("%d loads, %d at once, want 3 at most", asked, most)
		}
		if st := g.State(); st.InFlight != 0 || st.Queued != 0 || st.Limit != 3 {
			t.Errorf("when all is over: %+v", st)
		}
	})
}

// Who can't be served in time is refused at once, and told when to come again.
func TestG19WhoCannotBeServedInTimeIsRefusedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{takes: 100 * time.Millisecond}, newGuard(t, guard.Fixed(1))
		f := behind(t, p, g)
		for key := range 20 { // it learns what a load takes
			wants(t, key)(f.Call(t.Context(), key))
		}
		began := time.Now()
		beginKeys(f, time.Minute, 100, 101, 102)
		ctx, cancel := context.WithTimeout(t.Context(), 350*time.Millisecond) // three are before it, and its own load
		defer cancel()
		_, err := f.Call(ctx, 103)
		o := wantOverloaded(t, err)
		if took := time.Since(began); took != 0 || o.RetryAfter <= 0 || o.RetryAfter > time.Second || o.Class != guard.Miss || o.Down {
			t.Errorf("refused after %v with %+v", took, o)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 450*time.Millisecond)
		defer cancel()
		wants(t, 104)(f.Call(ctx, 104))
		if st := f.Stats(); st.Refused != 1 || st.ByCause[observe.Miss].Refused != 1 || st.LoadsFailed != 0 || st.Failed != 1 {
			t.Errorf("the counters are %+v", st)
		}
	})
}

// One that can wait queues for a second, or two typical loads, and no longer.
func TestG19NobodyQueuesForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{hangs: true}, newGuard(t, guard.Fixed(1))
		f := behind(t, p, g)
		began := time.Now()
		go func() { _, _ = f.Call(t.Context(), 1) }()
		synctest.Wait()
		_, err := f.Call(context.Background(), 2)
		wantOverloaded(t, err)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it queued for %v", took)
		}
		if err := g.Apply(guard.QueueTimeout(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err = f.Call(context.Background(), 2)
		wantOverloaded(t, err)
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("it queued for %v more", took-time.Second)
		}
	})
}

// The load of a key that somebody can wait for is not given up because the first who asked
// can't.
func TestG19TheMostPatientCallerCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{takes: 100 * time.Millisecond}, newGuard(t, guard.Fixed(1))
		f := behind(t, p, g)
		for key := range 20 {
			wants(t, key)(f.Call(t.Context(), key))
		}
		beginKeys(f, time.Minute, 100, 101, 102)
		var hasty, patient error
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 410*time.Millisecond)
			defer cancel()
			_, hasty = f.Call(ctx, 103)
		})
		synctest.Wait()
		all.Go(func() {
			time.Sleep(50 * time.Millisecond)
			p.set(func(p *pool) { p.takes = 300 * time.Millisecond }) // those before it take longer than was to be expected
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, patient = f.Call(ctx, 103)
		})
		all.Wait()
		if hasty == nil || patient != nil {
			t.Errorf("the hasty got %v, the patient %v", hasty, patient)
		}
	})
}

// Refreshes are shed first, and served stale; what somebody waits for has the rest.
func TestG19RefreshesAreShedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{}, newGuard(t, guard.Fixed(5))
		f := behind(t, p, g, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Jitter(0))
		for _, err := range callKeys(f, time.Minute, upTo(10)...) {
			if err != nil {
				t.Fatal(err)
			}
		}
		p.set(func(p *pool) { p.takes = time.Second })
		time.Sleep(2 * time.Minute)
		for key := range 10 {
			wants(t, key)(f.Call(t.Context(), key))
		}
		synctest.Wait()
		if st := g.State(); st.InFlight != 3 || st.Refused[guard.Refresh] != 7 {
			t.Errorf("three of five places are for refreshes: %+v", st)
		}
		began := time.Now()
		if errs := callKeys(f, time.Minute, 100, 101); errs[0] != nil || errs[1] != nil || time.Since(began) != time.Second {
			t.Errorf("misses got %v after %v", errs, time.Since(began))
		}
		if st := f.Stats(); st.ByCause[observe.Refresh].Refused != 7 || st.Refreshes != 3 || st.Stale != 10 || st.Shed != 0 {
			t.Errorf("the counters are %+v", st)
		}
	})
}

// A refresh that is refused only when a caller waits for it already counts as that caller's load.
func TestG19ARefreshThatIsWaitedForIsNotShed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{}, newGuard(t, guard.Fixed(1), guard.QueueTimeout(10*time.Second))
		f, err := memoize.NewBatched(func(ctx context.Context, keys []int) (map[int]int, error) {
			values := map[int]int{}
			for _, key := range keys {
				v, err := p.load(ctx, key)
				if err != nil {
					return nil, err
				}
				values[key] = v
			}
			return values, nil
		}, config.Guard(g), config.Logger(nil), config.Gather(10*time.Millisecond), config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Jitter(0))
		madeOf(t, f, err)
		wants(t, 1)(f.Call(t.Context(), 1))
		wants(t, 2)(f.Call(t.Context(), 2))
		time.Sleep(2 * time.Minute)
		wants(t, 1)(f.Call(t.Context(), 1)) // begins to gather a refresh
		wants(t, 2)(f.Call(t.Context(), 2))
		p.set(func(p *pool) { p.takes = time.Second })
		go func() { _, _ = f.Call(t.Context(), 3) }()
		go func() { _, _ = f.Direct(t.Context(), 4) }() // has the only place before the batch goes out
		if err := f.Invalidate(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wants(t, 1)(f.Call(ctx, 1)) // joins
		if took := time.Since(began); took < time.Second {
			t.Errorf("it has had a place after %v", took)
		}
		if st := f.Stats(); st.ByCause[observe.Refresh].Refused == 0 {
			t.Errorf("nobody waits for the refresh of 2, and it was not shed: %+v", st)
		}
	})
}

func TestG19WhatIsRefusedIsRescued(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{}, newGuard(t, guard.Fixed(1))
		f := behind(t, p, g, config.ExpireAfter(time.Minute), config.StaleIfError(time.Hour))
		wants(t, 1)(f.Call(t.Context(), 1))
		time.Sleep(2 * time.Minute)
		p.set(func(p *pool) { p.takes = 5 * time.Second })
		go func() { _, _ = f.Call(t.Context(), 2) }()
		synctest.Wait()
		began := time.Now()
		r, err := f.Result(t.Context(), 1)
		if err != nil || r.Value != 1 || r.Why != memoize.Rescued || time.Since(began) != 0 {
			t.Errorf("got %+v, %v after %v", r, err, time.Since(began))
		}
		if _, err := f.Refresh(t.Context(), 1); err == nil { // who wants a new value queues for it
			t.Error("the Refresh did not wait its second in vain")
		} else if o := wantOverloaded(t, err); o.Class != guard.Forced {
			t.Errorf("it is a load of class %v", o.Class)
		}
		if st := g.State(); st.Refused[guard.Rescuable] != 1 || st.Refused[guard.Forced] != 1 {
			t.Errorf("the guard counts %+v", st)
		}
	})
}

// Where nothing succeeds, nothing is asked but a probe a second. What comes after that
// begins with one load.
func TestG19TheBreaker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var kinds []observe.Kind
		g := newGuard(t, guard.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
			mu.Lock()
			defer mu.Unlock()
			if ev.Func != "pool" {
				t.Errorf("the event is of %q", ev.Func)
			}
			kinds = append(kinds, ev.Kind)
		})))
		p := &pool{takes: 10 * time.Millisecond}
		f := behind(t, p, g)
		for i := range 10 {
			for _, err := range callKeys(f, time.Minute, i*10, i*10+1, i*10+2, i*10+3) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		before := g.State().Limit
		p.set(func(p *pool) { p.err = errDown })
		for i := range 30 {
			_, err := f.Call(t.Context(), 1000+i)
			if err == nil {
				t.Fatal("a source that is down answers")
			}
		}
		st := g.State()
		if !st.Down || st.Opened != 1 || st.Failed != 20 || st.NextProbe > 1100*time.Millisecond {
			t.Fatalf("after 30 failures: %+v", st)
		}
		_, err := f.Call(t.Context(), 3000)
		if o := wantOverloaded(t, err); !o.Down || o.RetryAfter <= 0 {
			t.Errorf("refused with %+v", o)
		}
		asked, _ := p.loads()
		for range 600 { // a minute of calls, ten a second
			time.Sleep(100 * time.Millisecond)
			_, _ = f.Call(t.Context(), 3000)
		}
		if now, _ := p.loads(); now-asked < 50 || now-asked > 66 {
			t.Errorf("%d probes in a minute", now-asked)
		}
		p.set(func(p *pool) { p.err = nil })
		time.Sleep(1100 * time.Millisecond)
		wants(t, 3001)(f.Call(t.Context(), 3001))
		if st := g.State(); st.Down || st.Limit != 1 {
			t.Errorf("a probe has succeeded: %+v", st)
		}
		for i := range 20 {
			_ = callKeys(f, time.Minute, 2000+4*i, 2001+4*i, 2002+4*i, 2003+4*i)
		}
		if st := g.State(); st.Limit < before/2 || before < 2 {
			t.Errorf("the limit was %d and is %d again", before, st.Limit)
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(kinds, []observe.Kind{observe.SourceDown, observe.SourceBack}) {
			t.Errorf("events: %v", kinds)
		}
	})
}

// What says nothing of the source does not open the breaker: one key that fails, answers,
// refusals of a guard, failures of other functions, what callers cancel.
func TestG19WhatDoesNotOpenTheBreaker(t *testing.T) {
	errNone := errors.New("there is none")
	for name, c := range map[string]struct {
		err  func(ctx context.Context, key int) error
		opts []config.Option
		of   []guard.Option
		key  func(i int) int
	}{
		"one key":   {func(context.Context, int) error { return errDown }, nil, nil, func(int) int { return 1 }},
		"answers":   {func(context.Context, int) error { return errNone }, []config.Option{config.Gone(errNone)}, nil, nil},
		"not found": {func(context.Context, int) error { return errNone }, nil, []guard.Option{guard.Failures(func(err error) bool { return err != errNone })}, nil},
		"another guard": {func(context.Context, int) error {
			return fmt.Errorf("within: %w", &guard.OverloadedError{Guard: "other"})
		}, nil, nil, nil},
		"no breaker":   {func(context.Context, int) error { return errDown }, nil, []guard.Option{guard.Breaker(false)}, nil},
		"switched off": {func(context.Context, int) error { return errDown }, nil, []guard.Option{guard.Off(true)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g, asked := newGuard(t, c.of...), 0
				f, err := memoize.New(func(ctx context.Context, key int) (int, error) {
					asked++
					time.Sleep(10 * time.Millisecond)
					return 0, c.err(ctx, key)
				}, append([]config.Option{config.Guard(g), config.Logger(nil)}, c.opts...)...)
				madeOf(t, f, err)
				for i := range 100 {
					if c.key != nil {
						i = c.key(i)
					}
					_, _ = f.Call(t.Context(), i)
				}
				if st := g.State(); st.Down || asked != 100 || st.InFlight != 0 {
					t.Errorf("asked %d times: %+v", asked, st)
				}
			})
		})
	}
}

// A source that hangs has as many loads as the limit, those that were given up counted, and
// one more at a time in which it may show that it works again.
func TestG19ASourceThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{deaf: true}, newGuard(t, guard.Fixed(4), guard.Breaker(false))
		f := behind(t, p, g)
		for i := range 200 { // a minute and more
			go func() { _, _ = f.Call(context.Background(), i) }()
			time.Sleep(500 * time.Millisecond)
		}
		if _, most := p.loads(); most > 4+9 || most < 5 { // one in each ten seconds
			t.Errorf("%d loads at once", most)
		}
		if st := g.State(); st.Late < 4 || st.InFlight-st.Late > 1 || st.TimedOut == 0 {
			t.Errorf("%+v", st)
		}
		p.set(func(p *pool) { p.deaf = false })
		time.Sleep(10 * time.Second)
		wants(t, 1)(f.Call(t.Context(), 1))
		time.Sleep(15 * time.Minute)
		if st := g.State(); st.Late != 0 || st.InFlight != 0 {
			t.Errorf("all have come back: %+v", st)
		}
	})
}

// Loads that call other functions behind the guard do not lock one another out.
func TestG19NestedLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{takes: 100 * time.Millisecond}, newGuard(t, guard.Fixed(1))
		inner := behind(t, p, g, config.Name("inner"))
		outer, err := memoize.New(func(ctx context.Context, key int) (int, error) {
			a, err := inner.Call(ctx, key)
			if err != nil {
				return 0, err
			}
			b, err := inner.CallMany(ctx, []int{key + 1, key + 2})
			if err != nil {
				return 0, err
			}
			return a + b[0] + b[1], nil
		}, config.Guard(g), config.Logger(nil), config.Name("outer"))
		madeOf(t, outer, err)
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				if v, err := outer.Call(context.Background(), 10*i); err != nil && !errors.Is(err, memoize.ErrOverloaded) || err == nil && v != 30*i+3 {
					t.Errorf("outer %d: %d, %v", i, v, err)
				}
			})
		}
		all.Wait()
		if _, most := p.loads(); most != 1 {
			t.Errorf("%d at once within a limit of one", most)
		}
		if st := g.State(); st.InFlight != 0 || st.Typical > 150*time.Millisecond || st.Down {
			t.Errorf("the time that a load was parked counts: %+v", st)
		}
	})
}

// A source that calls with a context of its own keeps its place: the longest wait in the
// queue bounds what comes of it.
func TestG19NestedLoadsWithAnotherContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{}, newGuard(t, guard.Fixed(1))
		inner := behind(t, p, g, config.Name("inner"))
		outer, err := memoize.New(func(_ context.Context, key int) (int, error) { return inner.Call(context.Background(), key) },
			config.Guard(g), config.Logger(nil), config.Name("outer"))
		madeOf(t, outer, err)
		began := time.Now()
		if _, err := outer.Call(t.Context(), 1); !errors.Is(err, memoize.ErrOverloaded) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if st := g.State(); st.InFlight != 0 || st.Failed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A call for many keys feeds the guard no more at once than it lets in.
func TestG19CallMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{takes: 10 * time.Millisecond}, newGuard(t, guard.Fixed(4))
		f := behind(t, p, g)
		values, err := f.CallMany(t.Context(), upTo(1000))
		if err != nil || !slices.Equal(values, upTo(1000)) {
			t.Fatal(err)
		}
		if _, most := p.loads(); most != 4 || g.State().Refused[guard.Miss] != 0 {
			t.Errorf("%d at once, %+v", most, g.State())
		}
		bypassed := behind(t, p, g, config.Bypass(true), config.Name("bypassed"))
		if _, err := bypassed.CallMany(t.Context(), upTo(100)); err != nil {
			t.Error(err)
		}
		if _, most := p.loads(); most != 4 {
			t.Errorf("%d at once past the cache", most)
		}
	})
}

// Warm is what has to wait first, and gets everything in the end.
func TestG19Warm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{takes: 100 * time.Millisecond}, newGuard(t, guard.Fixed(5))
		f := behind(t, p, g)
		wants(t, 3)(f.Call(t.Context(), 3))
		done := make(chan error)
		go func() { done <- f.Warm(t.Context(), slices.Values(upTo(20))) }()
		synctest.Wait()
		if st := g.State(); st.InFlight != 2 {
			t.Errorf("two of five places are for warm-up: %+v", st)
		}
		began := time.Now()
		if errs := callKeys(f, time.Minute, 100, 101, 102); errs[0] != nil || errs[1] != nil || errs[2] != nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("misses got %v after %v", errs, time.Since(began))
		}
		go func() { // somebody waits for a key that is being warmed
			time.Sleep(10 * time.Millisecond)
			_, _ = f.Call(t.Context(), 19)
		}()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for key, has := range f.HasMany(t.Context(), upTo(20)) {
			if !has {
				t.Errorf("%d is not there", key)
			}
		}
		if asked, most := p.loads(); asked != 23 || most > 5 {
			t.Errorf("%d loads, %d at once", asked, most)
		}
		p.set(func(p *pool) { p.err = errDown })
		err := f.Warm(t.Context(), slices.Values([]int{1, 200, 201}))
		if !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		p.set(func(p *pool) { p.hangs = true })
		if err := f.Warm(ctx, slices.Values([]int{300})); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// Values that are loaded together do not expire together.
func TestG19NoCohortRemains(t *testing.T) {
	spread := func(t *testing.T, opts ...config.Option) (expired time.Duration) {
		p, g := &pool{}, newGuard(t)
		f := behind(t, p, g, append(opts, config.ExpireAfter(time.Hour))...)
		_, err := f.CallMany(t.Context(), upTo(200))
		if err != nil {
			t.Fatal(err)
		}
		held := func() int {
			return len(slices.DeleteFunc(f.HasMany(t.Context(), upTo(200)), func(has bool) bool { return !has }))
		}
		time.Sleep(54 * time.Minute)
		if n := held(); n != 200 {
			t.Errorf("%d are there before nine tenths of their life", n)
		}
		time.Sleep(3 * time.Minute)
		n := held()
		time.Sleep(3 * time.Minute)
		if left := held(); left != 0 {
			t.Errorf("%d are there after their life", left)
		}
		return time.Duration(n)
	}
	bubble(t, func(t *testing.T) {
		if n := spread(t); n < 60 || n > 140 {
			t.Errorf("%d of 200 live for longer than the middle", n)
		}
	})
	bubble(t, func(t *testing.T) {
		if n := spread(t, config.Jitter(0)); n != 200 {
			t.Errorf("%d of 200 live for as long as they should", n)
		}
	})
}

func TestG19OverloadedIsNoAnswer(t *testing.T) {
	g := newGuard(t)
	_, err := memoize.New((&pool{}).load, config.Guard(g), config.Remember(time.Minute, memoize.ErrOverloaded))
	if err == nil {
		t.Error("ErrOverloaded can be remembered")
	}
}

func TestG19PanicsAreFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGuard(t, guard.Fixed(2))
		f, err := memoize.New(func(_ context.Context, key int) (int, error) { panic("oh") }, config.Guard(g), config.Logger(nil))
		madeOf(t, f, err)
		for i := range 30 {
			_, _ = f.Call(t.Context(), i)
			time.Sleep(10 * time.Millisecond)
		}
		if st := g.State(); !st.Down || st.InFlight != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestG19ManyWaiters(t *testing.T) {
	const callers = 10_000 // ten times as many take 9 s and 1.2 GB, and come out the same
	bubble(t, func(t *testing.T) {
		p, g := &pool{takes: 10 * time.Millisecond}, newGuard(t, guard.Fixed(1), guard.QueueTimeout(time.Minute))
		f := behind(t, p, g)
		wants(t, -1)(f.Call(t.Context(), -1))
		errs := make([]error, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i+2)*time.Millisecond)
				defer cancel()
				_, errs[i] = f.Call(ctx, i)
			})
		}
		all.Wait()
		if err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		served := 0
		for _, err := range errs {
			if err == nil {
				served++
			} else if !errors.Is(err, memoize.ErrOverloaded) && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		if served < 500 || g.State().Queued != 0 || g.State().InFlight != 0 {
			t.Errorf("%d served, %+v", served, g.State())
		}
	})
}

func TestG19Settings(t *testing.T) {
	p, g := &pool{}, newGuard(t)
	for name, opts := range map[string][]config.Option{
		"MaxLoads":     {config.Guard(g), config.MaxLoads(5)},
		"QueueTimeout": {config.Guard(g), config.QueueTimeout(time.Second)},
		"clock":        {config.Guard(g), config.Clock(clock.NewMock())},
	} {
		if _, err := memoize.New(p.load, opts...); err == nil {
			t.Errorf("%s beside a guard is no error", name)
		}
	}
	if _, err := memoize.New(p.load, config.Guard(newGuard(t, guard.Clock(clock.NewMock())))); err == nil {
		t.Error("a guard on a mock clock and a function on the real one is no error")
	}
	live := config.Mutable(config.InMemory[int, int](config.MaxLoads(7)))
	f, err := memoize.Memoize(p.load, live, config.Logger(nil))
	madeOf(t, f, err)
	if err := live.Apply(config.Guard(g)); err != nil || f.Stats().MaxLoads != -1 || f.Stats().Guard != g.Name() {
		t.Errorf("%v, %+v", err, f.Stats())
	}
	wants(t, 1)(f.Call(t.Context(), 1))
	if st := g.State(); st.Admitted[guard.Miss] != 1 || st.Succeeded != 1 {
		t.Errorf("%+v", st)
	}
	if err := live.Apply(config.Guard(nil)); err != nil {
		t.Error(err)
	}
	wants(t, 2)(f.Call(t.Context(), 2))
	if st := g.State(); st.Admitted[guard.Miss] != 1 {
		t.Errorf("the guard was taken away: %+v", st)
	}
}

// On a mock clock everything waits for the clock.
func TestG19OnAMockClock(t *testing.T) {
	c := clock.NewMock()
	g, err := guard.New("pool", guard.Fixed(1), guard.Clock(c), guard.Logger(nil))
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	f, err := memoize.New(func(ctx context.Context, key int) (int, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return key, ctx.Err()
	}, config.Guard(g), config.Clock(c), config.Logger(nil), config.MethodTimeout(time.Hour))
	madeOf(t, f, err)
	done := make(chan error, 2)
	go func() { _, err := f.Call(t.Context(), 1); done <- err }()
	for g.State().InFlight != 1 {
	}
	go func() { _, err := f.Call(t.Context(), 2); done <- err }()
	for g.State().Queued != 1 {
	}
	c.Add(999 * time.Millisecond)
	if st := g.State(); st.Queued != 1 {
		t.Fatalf("%+v", st)
	}
	for len(done) == 0 { // its timer may not have been made yet
		c.Add(time.Millisecond)
	}
	wantOverloaded(t, <-done)
	close(gate)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A caller of Direct who leaves says nothing of the source.
func TestG19CallersWhoLeaveSayNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{hangs: true}, newGuard(t)
		f := behind(t, p, g)
		for i := range 30 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := f.Direct(ctx, i); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			synctest.Wait()
		}
		if st := g.State(); st.Down || st.Failed+st.TimedOut+st.Succeeded != 0 || st.InFlight != 0 {
			t.Errorf("%+v", st)
		}
		go func() { _, _ = f.Call(context.Background(), 1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Close(ctx); err == nil {
			t.Error("it was closed while the source hangs")
		}
		synctest.Wait()
		if st := g.State(); st.Failed+st.TimedOut != 0 || st.InFlight != 0 {
			t.Errorf("what Close cancels says something: %+v", st)
		}
	})
}

// Whom a Set answers waits for no load any more, which leaves the queue.
func TestG19ASetTakesLoadsOutOfTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, g := &pool{hangs: true}, newGuard(t, guard.Fixed(1), guard.QueueTimeout(time.Minute))
		f := behind(t, p, g)
		wait := beginKeys(f, time.Minute, 1, 2)
		if err := f.Set(t.Context(), 2, 22); err != nil {
			t.Fatal(err)
		}
		wants(t, 22)(f.Call(t.Context(), 2))
		if errs := wait(); errs[1] != nil {
			t.Error(errs[1])
		}
		if err := f.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if asked, _ := p.loads(); asked != 1 {
			t.Errorf("%d loads", asked)
		}
	})
}
