package memoize_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// A Result knows how long its value is fresh and served, from the call on.
func TestResultKnowsItsFuture(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load, with()...))
		is := func(what string, fresh, expires time.Duration) {
			t.Helper()
			r, err := f.Result(t.Context(), "key")
			if err != nil || r.FreshFor() != fresh || r.ExpiresIn() != expires {
				t.Errorf("%s: fresh for %v, expires in %v, %v; want %v and %v", what, r.FreshFor(), r.ExpiresIn(), err, fresh, expires)
			}
		}
		is("loaded", time.Minute, time.Hour)
		time.Sleep(10 * time.Second)
		is("fresh", 50*time.Second, time.Hour-10*time.Second)
		time.Sleep(time.Minute)
		is("stale", 0, time.Hour-70*time.Second)
		settled(t, f)
		is("refreshed", time.Minute, time.Hour)
		r, err := f.Result(t.Context(), "key")
		noError(t, err)
		time.Sleep(time.Minute)
		if r.FreshFor() != time.Minute {
			t.Errorf("it counts from the call, and is %v", r.FreshFor())
		}
		none := memoize.Must(memoize.New(returning[string](1).load, config.Bypass(true)))
		if r, err := none.Result(t.Context(), "key"); err != nil || r.FreshFor() != 0 || r.ExpiresIn() != 0 {
			t.Errorf("past the cache: %v, %v, %v", r.FreshFor(), r.ExpiresIn(), err)
		}
		forever := memoize.Must(memoize.New(returning[string](1).load, config.Builder(entry.BuilderFunc[string, int](func(_ string, v int, now entry.Instant) *entry.Entry[int] {
			return entry.Restore(v, now, entry.Never, entry.Never)
		}))))
		if r, err := forever.Result(t.Context(), "key"); err != nil || r.FreshFor() < 100*365*24*time.Hour || r.ExpiresIn() < r.FreshFor() {
			t.Errorf("for ever: %v, %v, %v", r.FreshFor(), r.ExpiresIn(), err)
		}
	})
}

// SetFor gives one value a life of its own, on every shape of function.
func TestSetFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Jitter(0.5))...))
		noError(t, f.SetFor(t.Context(), "key", 7, entry.Life{UpdateAfter: 3 * time.Hour, ExpireAfter: 5 * time.Hour}))
		r, err := f.Result(t.Context(), "key")
		if err != nil || r.Value != 7 || r.FreshFor() != 3*time.Hour || r.ExpiresIn() != 5*time.Hour {
			t.Errorf("%d is fresh for %v, expires in %v: %v", r.Value, r.FreshFor(), r.ExpiresIn(), err)
		}
		ok, err := f.Touch(t.Context(), "key")
		if r, _ = f.Result(t.Context(), "key"); err != nil || !ok || r.Value != 7 || r.ExpiresIn() > time.Hour {
			t.Errorf("touched: %v, %d expires in %v", err, r.Value, r.ExpiresIn())
		}
		err = f.SetFor(t.Context(), "key", 8, entry.Life{ExpireAfter: -1})
		if r, _ = f.Result(t.Context(), "key"); err == nil || !strings.Contains(err.Error(), "give zero or more") || r.Value != 7 {
			t.Errorf("a life that is none: %v, and %d is stored", err, r.Value)
		}
		noError(t, f.SetFor(t.Context(), "key", 8, entry.Life{})) // is over at once
		wants(t, 1)(f.Call(t.Context(), "key"))

		life := entry.Life{ExpireAfter: 9 * time.Hour}
		zero := memoize.Must(memoize.New0(func(context.Context) (*user, error) { return new(user), nil }))
		two := memoize.Must(memoize.New2(func(context.Context, string, string) (*user, error) { return new(user), nil }))
		three := memoize.Must(memoize.New3(func(context.Context, string, string, string) (*user, error) { return new(user), nil }))
		noError(t, zero.SetFor(t.Context(), &user{N: 1}, life))
		noError(t, two.SetFor(t.Context(), "a", "b", &user{N: 2}, life))
		noError(t, three.SetFor(t.Context(), "a", "b", "c", &user{N: 3}, life))
		time.Sleep(8 * time.Hour)
		next := func(old *user, _ bool) (*user, error) { return &user{N: old.N + 1}, nil }
		wants(t, 2)(number(zero.Update(t.Context(), next)))
		wants(t, 3)(number(two.Update(t.Context(), "a", "b", next)))
		wants(t, 4)(number(three.Update(t.Context(), "a", "b", "c", next)))
	})
}

// All yields what is held and would be served, as it would be.
func TestAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return 0, nil }, with(config.Postprocess(config.CopyBy(func(v int) int { return -v })))...))
		noError(t, f.Set(t.Context(), 1, 10))
		noError(t, f.SetFor(t.Context(), 2, 20, entry.Life{ExpireAfter: time.Second}))
		time.Sleep(2 * time.Minute)
		noError(t, f.Set(t.Context(), 3, 30))
		seq, err := memoize.All[int](f)
		noError(t, err)
		before := f.Stats()
		for range 2 { // it may be gone through again
			got := maps.Collect(seq)
			if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, []int{1, 3}) {
				t.Fatalf("got keys %v", keys)
			}
			if r := got[1]; r.Value != -10 || r.State != entry.Stale || r.Why != memoize.Stale || r.Age != 2*time.Minute || r.ExpiresIn() != 58*time.Minute {
				t.Errorf("got %+v", r)
			}
			if r := got[3]; r.Value != -30 || r.State != entry.Fresh || r.Why != memoize.Hit || r.FreshFor() != time.Minute {
				t.Errorf("got %+v", r)
			}
		}
		if after := f.Stats(); after.Calls != before.Calls || after.Loads != 0 {
			t.Errorf("it was counted: %+v", after)
		}
		for range seq { // it may be left, and the function changed meanwhile
			noError(t, f.InvalidateAll(t.Context()))
			break
		}
		if n := len(maps.Collect(seq)); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// All says why it can't, and which types do not fit.
func TestAllRefused(t *testing.T) {
	m := storage.NewMemory()
	defer m.Close()
	load := func(context.Context, int) (int, error) { return 0, nil }
	f := memoize.Must(memoize.New(load))
	if _, err := memoize.All[int64](f); err == nil || !strings.Contains(err.Error(), "int64") || !strings.HasSuffix(err.Error(), "of type int") {
		t.Errorf("another type: %v", err)
	}
	if _, err := memoize.All[int](memoize.Must(memoize.New(load, config.Name("shared"), sharing(t, m)))); !errors.Is(err, memoize.ErrUnsupported) {
		t.Errorf("a store: %v", err)
	}
	noError(t, f.Close(t.Context()))
	if _, err := memoize.All[int](f); !errors.Is(err, memoize.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	two := memoize.Must(memoize.New2(func(context.Context, string, string) (*user, error) { return &user{N: 7}, nil }))
	_, err := two.Call(t.Context(), "a", "b")
	noError(t, err)
	seq, err := memoize.All[args](two.Args)
	noError(t, err)
	for key, r := range seq {
		if key.A != "a" || key.B != "b" || r.Value.N != 7 {
			t.Errorf("got %v, %v", key, r)
		}
	}
}
