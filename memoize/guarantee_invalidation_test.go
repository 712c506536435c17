package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// slow is a storage in memory whose operations wait for the test, one at a
// time, as one across a network may. It is not storage.Local.
type slow struct {
	inner *storage.InMemory[string, string]
	mu    sync.Mutex
	hold  map[string]chan error // by operation
	calls []string
}

func newSlow() *slow {
	return &slow{inner: storage.NewInMemory[string, string](), hold: map[string]chan error{}}
}

// block makes the operation wait until the channel that it returns is sent to.
func (s *slow) block(op string) chan error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold[op] = make(chan error)
	return s.hold[op]
}

func (s *slow) unblock(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hold, op)
}

func (s *slow) enter(op string) error {
	s.mu.Lock()
	s.calls = append(s.calls, op)
	wait := s.hold[op]
	s.mu.Unlock()
	if wait != nil {
		return <-wait // whatever the context says
	}
	return nil
}

func (s *slow) Get(ctx context.Context, key string) (*entry.Entry[string], error) {
	if err := s.enter("get"); err != nil {
		return nil, err
	}
	return s.inner.Get(ctx, key)
}

func (s *slow) Offer(ctx context.Context, key string, e *entry.Entry[string]) error {
	if err := s.enter("offer"); err != nil {
		return err
	}
	return s.inner.Offer(ctx, key, e)
}

func (s *slow) Release(ctx context.Context, key string) error {
	if err := s.enter("release"); err != nil {
		return err
	}
	return s.inner.Release(ctx, key)
}

func TestG4InvalidateDuringALoad(t *testing.T) { // E4
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g)
		before := in(2, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		g.set(1)
		must(t, f, f.Invalidate(t.Context(), "k"))
		after := in(2, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		if g.count() != 2 {
			t.Fatal("a call after the invalidation joined the load from before it")
		}
		g.open(0, nil)
		for range 2 {
			if r := <-before; r.value != "k@0" || r.err != nil {
				t.Errorf("those who joined before got %v, want the load they joined", r)
			}
		}
		if f.Has(t.Context(), "k") {
			t.Error("the value from before the invalidation is stored")
		}
		g.open(1, nil)
		for range 2 {
			if r := <-after; r.value != "k@1" || r.err != nil {
				t.Errorf("those who came after got %v", r)
			}
		}
		if s := f.Stats(); s.Fenced != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestG4InvalidateDuringARefresh(t *testing.T) { // E4
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour))
		must(t, f, f.Set(t.Context(), "k", "first"))
		time.Sleep(2 * time.Minute)
		f.Call(t.Context(), "k")
		synctest.Wait()
		g.set(1)
		must(t, f, f.Invalidate(t.Context(), "k"))
		g.open(0, nil)
		synctest.Wait()
		if f.Len() != 0 {
			t.Error("a refresh from before the invalidation was stored")
		}
	})
}

func TestG4FencedWaiters(t *testing.T) {
	for name, c := range map[string]struct {
		set  bool
		err  error
		want string
	}{
		"nothing stored":           {false, nil, "k@0"},
		"set meanwhile":            {true, nil, "set"},
		"set meanwhile, load down": {true, errors.New("down"), "set"},
		"nothing stored, down":     {false, errors.New("down"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gated{}
				f := newGated(t, g)
				results := make(chan memoize.Result[string], 1)
				errs := make(chan error, 1)
				go func() {
					r, err := f.Result(t.Context(), "k")
					results <- r
					errs <- err
				}()
				synctest.Wait()
				if c.set {
					must(t, f, f.Set(t.Context(), "k", "set"))
				} else {
					must(t, f, f.Invalidate(t.Context(), "k"))
				}
				g.open(0, c.err)
				r, err := <-results, <-errs
				if r.Value != c.want || (err != nil) != (c.want == "") {
					t.Errorf("got %v, %v", r, err)
				}
				if err == nil && r.Why != memoize.Fenced {
					t.Errorf("told as %v", r.Why)
				}
			})
		})
	}
}

func TestG4InvalidateWaitsForOneThatPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := &gated{}, newSlow()
		f := newGated(t, g, config.Storage[string, string](s))
		offer := s.block("offer")
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		g.open(0, nil)
		synctest.Wait() // the load is past the fence and writes
		g.set(1)
		invalidated := make(chan error)
		go func() { invalidated <- f.Invalidate(t.Context(), "k") }()
		synctest.Wait()
		select {
		case <-invalidated:
			t.Fatal("Invalidate returned while the old value was being written")
		default:
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := f.Invalidate(short, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an invalidation that could not wait returned %v", err)
		}
		s.unblock("offer")
		offer <- nil
		must(t, f, <-invalidated)
		<-replies
		if stored, _ := s.inner.Get(t.Context(), "k"); stored != nil {
			t.Errorf("the storage keeps %q", stored.Value)
		}
	})
}

// TestG4SecondLookDuringAnInvalidation is the interleaving of the protocol's
// model that needs the most steps: a leader that looks again while an
// invalidation is under way could pick the old entry up, and a call that begins
// after the invalidation could join it.
func TestG4SecondLookDuringAnInvalidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := &gated{version: 1}, newSlow()
		f := newGated(t, g, config.Storage[string, string](s), config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour))
		must(t, f, f.Set(t.Context(), "k", "old"))
		time.Sleep(time.Hour) // expired: the next call leads
		must(t, f, f.Set(t.Context(), "other", "x"))
		release := s.block("release")
		invalidated := make(chan error)
		go func() { invalidated <- f.Invalidate(t.Context(), "k") }()
		synctest.Wait() // fenced, and about to release
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		gets := 0
		for _, op := range s.calls {
			if op == "get" {
				gets++
			}
		}
		if gets != 1 {
			t.Errorf("the storage was looked at %d times during the invalidation, want once", gets)
		}
		s.unblock("release")
		release <- nil
		must(t, f, <-invalidated)
		g.open(0, nil)
		if r := <-replies; r.value != "k@1" {
			t.Error(r)
		}
	})
}

func TestG4InvalidateAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{}
		f := newGated(t, g, config.Capacity(50))
		for i := range 100 {
			must(t, f, f.Set(t.Context(), fmt.Sprint(i), "old"))
		}
		replies := in(1, func() (string, error) { return f.Call(t.Context(), "running") })
		synctest.Wait()
		must(t, f, f.InvalidateAll(t.Context()))
		g.open(0, nil)
		<-replies
		must(t, f, f.Wait(t.Context()))
		if f.Len() != 0 {
			t.Errorf("%d entries are left", f.Len())
		}
		for i := range 50 { // the strategy has forgotten the keys: nothing is evicted
			must(t, f, f.Set(t.Context(), fmt.Sprint("new", i), "new"))
		}
		if f.Len() != 50 {
			t.Errorf("%d of 50 new entries are held", f.Len())
		}
	})
}

// bare is a storage with no optional interface.
type bare struct {
	storage.Storage[string, string]
}

func TestG4InvalidateAllNeedsAStorageThatCan(t *testing.T) {
	g := &gated{}
	f := newGated(t, g, config.Storage[string, string](bare{storage.NewInMemory[string, string]()}))
	if err := f.InvalidateAll(t.Context()); !errors.Is(err, memoize.ErrUnsupported) {
		t.Error(err)
	}
	clearer := &clearing{slow: newSlow()}
	f = newGated(t, g, config.Storage[string, string](clearer))
	must(t, f, f.Set(t.Context(), "k", "v"))
	must(t, f, f.InvalidateAll(t.Context()))
	if f.Has(t.Context(), "k") || clearer.inner.Len() != 0 {
		t.Error("not cleared")
	}
}

type clearing struct{ *slow }

func (c *clearing) Clear(ctx context.Context) error { return c.inner.Clear(ctx) }

// TestG4Adversarial races calls, refreshes, batches and sets against writers
// that change the source and invalidate, for real, and checks what every call
// got against what was true when it began.
func TestG4Adversarial(t *testing.T) {
	var truth atomic.Int64 // what the source returns
	f, err := memoize.New(func(context.Context, int) (int, error) { return int(truth.Load()), nil },
		config.UpdateAfter(time.Microsecond), config.ExpireAfter(time.Hour), config.MaxRunaway(1000))
	must(t, f, err)
	ctx := context.Background()
	var known atomic.Int64 // what was true at the last invalidation that has returned
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				least := known.Load()
				var got int
				var err error
				switch (i + w) % 4 {
				case 0, 1:
					got, err = f.Call(ctx, 1)
				case 2:
					got, err = f.Refresh(ctx, 1)
				case 3:
					var all []int
					all, err = f.CallMany(ctx, []int{1})
					got = all[0]
				}
				if err != nil {
					t.Error(err)
					return
				}
				if int64(got) < least {
					t.Errorf("a call that began after the invalidation of %d got %d", least, got)
					return
				}
			}
		})
	}
	for range 3_000 {
		n := truth.Add(1)
		if err := f.Invalidate(ctx, 1); err != nil {
			t.Error(err)
		}
		known.Store(n)
	}
	close(done)
	wg.Wait()
	must(t, f, f.Wait(ctx))
	if v, ok := f.Peek(ctx, 1); ok && int64(v) != truth.Load() {
		t.Errorf("all is quiet and %d is stored, want %d", v, truth.Load())
	}
}

func TestSetIsOneStepToEverybodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := &gated{}, newSlow()
		f := newGated(t, g, config.Storage[string, string](s))
		offer := s.block("offer")
		set := make(chan error)
		go func() { set <- f.Set(t.Context(), "k", "set") }()
		synctest.Wait()
		replies := in(2, func() (string, error) { return f.Call(t.Context(), "k") })
		synctest.Wait()
		s.unblock("offer")
		offer <- nil
		must(t, f, <-set)
		for range 2 {
			if r := <-replies; r.value != "set" || r.err != nil {
				t.Error(r)
			}
		}
		if g.count() != 0 {
			t.Error("a call during a Set went to the source")
		}
	})
}
