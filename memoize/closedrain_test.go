package memoize_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
)

// G11: Close drains; past the end of its context it cancels and says so.
func TestCloseDrainsOrCancels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = time.Second
		f := memoize.Must(memoize.New(source.load))
		finish := begin(2, func() (int, error) { return f.Call(t.Context(), "key") })
		noError(t, f.Close(t.Context()))
		allWant(t, 1, finish())
		if _, err := f.Call(t.Context(), "key"); !errors.Is(err, memoize.ErrClosed) {
			t.Fatalf("got %v, want ErrClosed", err)
		}
	})
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(sleeping(time.Minute)))
		finish := begin(1, func() (*user, error) { return f.Call(t.Context(), args{}) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var c *memoize.CloseError
		if err := f.Close(ctx); !errors.As(err, &c) || c.Running != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a *CloseError of one load", err)
		}
		loadError(t, finish()[0].err, memoize.Failed, context.Canceled)
		noError(t, f.Close(t.Context()))
	})
}

// What the seed does in so many words, and has no test for.

// A nil is a value like any other.
func TestNilValueIsCached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string]((*user)(nil))
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		for range 3 {
			wants(t, (*user)(nil))(f.Call(t.Context(), "key"))
		}
		if v, ok := f.Peek(t.Context(), "key"); v != nil || !ok {
			t.Fatalf("Peek: %v, %v; want nil, and that it is there", v, ok)
		}
		wantCalls(t, source, 1)
	})
}

// The strategy learns of a read of an expired entry too.
func TestMarkReadOfAnExpiredEntry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy, store := &mockStrategy[string]{}, &mockStorage[string, string]{} // which is not swept
		f := keyed(returning[args]("value"), with(config.Evict[string](strategy), config.Storage[string, string](store))...)
		wants(t, "value")(f.Call(t.Context(), testArgs))
		time.Sleep(2 * time.Hour)
		strategy.exactly(t, "read key", 0)
		wants(t, "value")(f.Call(t.Context(), testArgs))
		strategy.exactly(t, "read key", 1)
		settled(t, f)
		strategy.exactly(t, "written key", 2)
	})
}

// G3: twenty calls on a stale entry are all served it, and start one load.
func TestTwentyCallsOnStale(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		time.Sleep(2 * time.Minute)
		source.returns(2)
		open := source.holds()
		allWant(t, 1, together(20, func() (int, error) { return f.Call(t.Context(), "key") }))
		wantCalls(t, source, 2)
		open()
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 2)
	})
}

// Everybody gets a value of their own: after a load each of those who waited,
// and on every hit.
func TestPostprocessingOnEveryReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var applied atomic.Int64
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, with(config.Postprocess(config.CopyBy(func(v int) int {
			applied.Add(1)
			return v + 10
		})))...))
		finish := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
		open()
		allWant(t, 11, finish())
		wants(t, 11)(f.Call(t.Context(), "key")) // fresh
		time.Sleep(2 * time.Minute)
		wants(t, 11)(f.Call(t.Context(), "key")) // stale
		if n := applied.Load(); n != 5 {
			t.Fatalf("applied %d times to 5 returns", n)
		}
		settled(t, f)
		if n := applied.Load(); n != 5 {
			t.Fatalf("applied in a refresh: %d times to 5 returns", n)
		}
	})
}

// G11: the seed does not release a key that is being updated, and forgets that
// it was to be released. Here it is released, and its update enters it again.
func TestEvictionOfAKeyThatIsBeingUpdated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Evict(eviction.LeastRecentlyUpdated[string](1)))...))
		wants(t, 1)(f.Call(t.Context(), "a"))
		time.Sleep(2 * time.Minute)
		open := source.holds()
		wants(t, 1)(f.Call(t.Context(), "a")) // its refresh begins
		synctest.Wait()
		source.lets()
		wants(t, 1)(f.Call(t.Context(), "b"))
		synctest.Wait()
		if f.Has(t.Context(), "a") || f.Len() != 1 {
			t.Fatalf("a is there: %v, %d entries; want b alone", f.Has(t.Context(), "a"), f.Len())
		}
		open()
		settled(t, f)
		if !f.Has(t.Context(), "a") || f.Len() != 1 {
			t.Fatalf("a is there: %v, %d entries; want a alone", f.Has(t.Context(), "a"), f.Len())
		}
		if s := f.Stats(); s.Evicted != 2 {
			t.Fatalf("%d entries were evicted, want 2", s.Evicted)
		}
	})
}

// Capacity 0 keeps nothing and still collapses.
func TestCapacityZero(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = time.Second
		f := memoize.Must(memoize.New(source.load, with(config.Capacity(0))...))
		for n := range 3 {
			allWant(t, 1, together(5, func() (int, error) { return f.Call(t.Context(), "key") }))
			settled(t, f)
			wantCalls(t, source, n+1)
			if f.Len() != 0 {
				t.Fatalf("%d entries are held", f.Len())
			}
		}
	})
}

// A builder of one's own gives each value its life, counted from the source's
// return.
func TestLifeFromTheValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](10)
		source.takes = time.Minute
		f := memoize.Must(memoize.New(source.load, config.Builder(entry.LifeOf[string](func(seconds int) entry.Life {
			ttl := time.Duration(seconds) * time.Second
			return entry.Life{UpdateAfter: ttl, ExpireAfter: ttl + ttl/10}
		}))))
		wants(t, 10)(f.Call(t.Context(), "key"))
		for _, c := range []struct {
			after time.Duration
			state entry.State
			has   bool
		}{{10*time.Second - 1, entry.Fresh, true}, {1, entry.Stale, true}, {time.Second - 1, entry.Stale, true}, {1, entry.Missing, false}} {
			time.Sleep(c.after)
			if has := f.Has(t.Context(), "key"); has != c.has {
				t.Fatalf("after %v more it is there: %v, want %v", c.after, has, c.has)
			}
			if !c.has {
				continue
			}
			if r, err := f.Result(t.Context(), "key"); err != nil || r.State != c.state {
				t.Fatalf("after %v more: %+v, %v; want %v", c.after, r, err, c.state)
			}
		}
		settled(t, f)
	})
}

// Defaults are a storage and a strategy of the function's own.
func TestFunctionsShareNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two := returning[string](1), returning[string](2)
		f, g := memoize.Must(memoize.New(one.load)), memoize.Must(memoize.New(two.load))
		wants(t, 1)(f.Call(t.Context(), "key"))
		wants(t, 2)(g.Call(t.Context(), "key"))
		noError(t, f.Invalidate(t.Context(), "key"))
		if !g.Has(t.Context(), "key") {
			t.Fatal("an invalidation of one function reached another")
		}
	})
}

// In the seed the strategy is not told of an invalidation, and a key that is
// gone takes a place.
func TestInvalidationTellsTheStrategy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &mockStrategy[string]{}
		f := keyed(returning[args]("value"), config.Evict[string](strategy))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		noError(t, f.Invalidate(t.Context(), testArgs))
		strategy.exactly(t, "released key", 1)
	})
}

// A timeout of the source's own is a failure like any other: in the seed it
// can't be told from the method timeout.
func TestSourcesOwnTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.fails(context.DeadlineExceeded)
		f := memoize.Must(memoize.New(source.load))
		_, err := f.Call(t.Context(), "key")
		if l := loadError(t, err, memoize.Failed, context.DeadlineExceeded); l.Timeout() || errors.Is(err, memoize.ErrLoadTimeout) {
			t.Fatalf("%v passes for the method timeout", err)
		}
	})
}

// A builder that makes no entry fails the load.
func TestBuilderMakesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load, config.Builder(entry.BuilderFunc[string, int](
			func(string, int, entry.Instant) *entry.Entry[int] { return nil }))))
		_, err := f.Call(t.Context(), "key")
		var l *memoize.LoadError
		if !errors.As(err, &l) || !strings.Contains(err.Error(), "builder returned nil") {
			t.Fatalf("got %v, want a *LoadError that names the builder", err)
		}
		if err := f.Set(t.Context(), "key", 2); err == nil || f.Len() != 0 {
			t.Fatalf("Set: %v, %d entries", err, f.Len())
		}
	})
}

// Postprocessing and keys change for the next call.
func TestPostprocessingAndKeysChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		noError(t, live.Apply(config.Postprocess(config.CopyBy(func(v int) int { return v + 10 }))))
		wants(t, 11)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
		noError(t, live.Apply(config.Keys(config.KeyOf(strings.ToUpper))))
		wants(t, 11)(f.Call(t.Context(), "key"))
		wants(t, 11)(f.Call(t.Context(), "Key"))
		wantCalls(t, source, 2)
	})
}
