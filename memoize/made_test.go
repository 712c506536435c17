package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// whole is a configuration of one's own that says no more than its settings.
type whole struct {
	settings *config.Settings[string, string, int]
}

func (c whole) Snapshot() *config.Settings[string, string, int] { return c.settings }

// What can't be made says all that is wrong with it: with its function, its settings,
// its registry and what invalidates it.
func TestWhatCantBeMadeSaysAllThatIsWrong(t *testing.T) {
	bad := *config.InMemory[string, int]().Snapshot()
	bad.Builder = nil
	var none *invalidation.Support[string]
	_, err := memoize.Memoize(returning[string](1).load, whole{&bad}, config.Name("bad"), config.InvalidatedBy(new(invalidation.Support[int])), config.InvalidatedBy(none),
		config.UpdateStatuses[int, int](statuses.NewInMemory[int, int](0, nil)))
	if err == nil {
		t.Fatal("it is made")
	}
	for _, want := range []string{"Builder", "given a *invalidation.Support[int], and bad needs", "nil *invalidation.Support", "UpdateStatuses is given"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	_, err = memoize.New[string, int](nil, config.InvalidatedBy(new(invalidation.Support[int])))
	if err == nil || !strings.Contains(err.Error(), "given a *invalidation.Support[int], and function needs") {
		t.Errorf("no function: %v", err)
	}
}

// A function that can't be made leaves the registry free that it was given, and what
// invalidates it.
func TestPartsOfAFunctionThatCantBeMadeAreFree(t *testing.T) {
	var taken, free invalidation.Support[string]
	registry := statuses.NewInMemory[string, int](0, nil)
	source := returning[string](1).load
	first := memoize.Must(memoize.New(source, config.InvalidatedBy(&taken)))
	if _, err := memoize.New(source, config.UpdateStatuses[string, int](registry), config.InvalidatedBy(&free), config.InvalidatedBy(&taken)); err == nil {
		t.Fatal("a function is made of what belongs to another")
	}
	second, err := memoize.New(source, config.UpdateStatuses[string, int](registry), config.InvalidatedBy(&free))
	noError(t, err)
	wants(t, 1)(second.Call(t.Context(), "a"))
	noError(t, free.Invalidate(t.Context(), "a"))
	if second.Has(t.Context(), "a") {
		t.Error("it is not invalidated")
	}
	noError(t, first.Close(t.Context()))
	noError(t, second.Close(t.Context()))
}

// choosy is an observer that does something when it is first asked what it wants.
type choosy struct{ once func() }

func (c *choosy) Observe(context.Context, observe.Event) {}
func (c *choosy) Wants(observe.Kind) bool {
	if once := c.once; once != nil {
		c.once = nil
		once()
	}
	return true
}

// waking is a strategy that does something when it is first given the time.
type waking struct {
	row
	once func()
}

func (s *waking) SetClock(func() entry.Instant) {
	if once := s.once; once != nil {
		s.once = nil
		once()
	}
}

// A function that is made while its configuration changes has what that is in the end.
func TestConfigurationChangesWhileAFunctionIsMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, late := range []bool{false, true} {
			live := mutable(config.ExpireAfter(time.Hour), config.MethodTimeout(time.Hour))
			change := func() { noError(t, live.Apply(config.MethodTimeout(time.Second))) }
			observer := new(choosy)
			if late {
				noError(t, live.Apply(config.Evict[string](&waking{once: change})))
			} else {
				observer.once = change
			}
			source := returning[string](1)
			f := memoize.Must(memoize.Memoize(source.load, live, config.Observe(observer)))
			open := source.holds()
			began := time.Now()
			_, err := f.Call(t.Context(), "a")
			loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
			if took := time.Since(began); took != time.Second {
				t.Errorf("the method timeout is %v", took)
			}
			open()
			settled(t, f)
			noError(t, f.Close(t.Context()))
		}
	})
}

// A change that one of two functions refuses leaves the parts free that it comes with.
func TestPartsOfAChangeThatAnotherFunctionRefusesAreFree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(config.ExpireAfter(time.Hour), config.Storage[string, int](new(mockStorage[string, int])), config.Evict[string](new(row)))
		var all []*memoize.Func[string, int]
		for _, name := range []string{"first", "second"} {
			f, err := memoize.Memoize(returning[string](1).load, live, config.Name(name))
			noError(t, err)
			all = append(all, f)
		}
		s := storage.NewInMemory[string, int]()
		if err := live.Apply(config.Storage(s)); err == nil {
			t.Fatal("two functions share a storage")
		}
		f, err := memoize.New(returning[string](1).load, config.Storage(s), config.Name("third"))
		noError(t, err)
		for _, f := range append(all, f) {
			wants(t, 1)(f.Call(t.Context(), "a"))
			settled(t, f)
			noError(t, f.Close(t.Context()))
		}
	})
}

// A clock that goes back is told of as the first of its kind, once for each time.
func TestClockThatGoesBackIsTold(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Unix(1000, 0))
	var told []observe.Event
	f := memoize.Must(memoize.New(returning[string](1).load, config.Clock(mock), config.ExactClock(), config.ExpireAfter(time.Hour), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		if e.Kind == observe.ClockBackwards {
			told = append(told, e)
		}
	}))))
	noError(t, f.Set(t.Context(), "a", 1))
	mock.Set(time.Unix(400, 0))
	f.Peek(t.Context(), "a")
	if len(told) != 1 || !told[0].First || told[0].Duration != 600*time.Second {
		t.Errorf("told is %+v", told)
	}
	noError(t, f.Close(t.Context()))
}

// A source that asks for its own key by way of another function is told so, as one
// that asks itself.
func TestRecursionByWayOfAnotherFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f, g *memoize.Func[string, int]
		f = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			return g.Call(ctx, key)
		}, config.Logger(discardLog), config.MethodTimeout(time.Minute)))
		g = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			switch key {
			case "refreshes":
				return f.Refresh(ctx, key)
			case "many":
				values, err := f.CallMany(ctx, []string{key})
				return values[0], err
			}
			return f.Call(ctx, key)
		}, config.Logger(discardLog), config.MethodTimeout(time.Minute)))
		began := time.Now()
		for _, key := range []string{"calls", "refreshes", "many"} {
			if _, err := f.Call(t.Context(), key); !errors.Is(err, memoize.ErrRecursion) {
				t.Errorf("%s: %v", key, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		settled(t, f)
		settled(t, g)
	})
}

// A key that may hold anything is looked at as deep as it goes.
func TestKeysAreLookedAtInDepth(t *testing.T) {
	type pair struct {
		N int
		V any
	}
	bad := map[string]any{"a pointer": new(int), "a time": time.Now(), "a slice": []int{}, "no slices": [0][]int{}, "a function": func() {}}
	good := map[string]any{"nothing": nil, "a text": "a", "a pair": pair{1, pair{2, "b"}}, "an array": [2]any{1, [1]any{"c"}}}
	wraps := map[string]func(v any) any{
		"":             func(v any) any { return v },
		" in a struct": func(v any) any { return pair{1, v} },
		" in an array": func(v any) any { return [2]any{"a", v} },
		" in depth":    func(v any) any { return [1]pair{{1, [1]any{pair{2, v}}}} },
	}
	type both struct { // its first field can't hold anything
		N int
		V any
		W [2]any
	}
	f := memoize.Must(memoize.New(func(context.Context, any) (*user, error) { return new(user), nil }, config.Logger(discardLog)))
	ofBoth := memoize.Must(memoize.New(func(context.Context, both) (int, error) { return 1, nil }, config.Logger(discardLog)))
	check := func(what string, refused bool, err error) {
		t.Helper()
		if refused != errors.Is(err, memoize.ErrKey) || !refused && err != nil || refused && !strings.Contains(err.Error(), "NewKeyed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for refused, keys := range map[bool]map[string]any{false: good, true: bad} {
		for what, key := range keys {
			for how, wrap := range wraps {
				check(what+how, refused, lastOf(f.Call(t.Context(), wrap(key))))
				check(what+how+" of a struct", refused, lastOf(ofBoth.Call(t.Context(), both{N: 1, V: wrap(key)})))
				check(what+how+" of an array", refused, lastOf(ofBoth.Call(t.Context(), both{W: [2]any{wrap(key), 1}})))
				check(what+how+" of an array", refused, lastOf(ofBoth.Call(t.Context(), both{W: [2]any{1, wrap(key)}})))
			}
		}
	}
}

// A key function that panics is counted and told, and one that fails is not.
func TestKeyFunctionThatFails(t *testing.T) {
	told := new(journal)
	errNoKey := errors.New("no key")
	f := memoize.Must(memoize.Memoize(returning[string](1).load, config.InMemoryKeyed[string, string, int](config.KeyFunc[string, string](func(_ context.Context, arg string) (string, error) {
		if arg == "panics" {
			panic("oops")
		}
		return arg, errNoKey
	})), config.Observe(observe.Func(func(_ context.Context, e observe.Event) { told.add("%v", e.Kind) }))))
	if _, err := f.Call(t.Context(), "fails"); !errors.Is(err, memoize.ErrKey) || !errors.Is(err, errNoKey) {
		t.Errorf("got %v", err)
	}
	told.hears(t)
	var p *memoize.PanicError
	if _, err := f.Call(t.Context(), "panics"); !errors.Is(err, memoize.ErrKey) || !errors.As(err, &p) || p.Value != "oops" {
		t.Errorf("got %v", err)
	}
	told.hears(t, "panicked")
	if st := f.Stats(); st.Panics != 1 || st.Failed != 2 {
		t.Errorf("%+v", st)
	}
}

// Of an error that joins others each is shown where keys are hidden, without what
// wraps them.
func TestJoinedErrorsOfHiddenKeys(t *testing.T) {
	s := &mockStorage[string, int]{offer: func(context.Context, string) error {
		return fmt.Errorf("key secret: %w", errors.Join(errOutage, fmt.Errorf("secret: %w", errBad), errors.New("odd")))
	}}
	f := memoize.Must(memoize.New(returning[string](1).load, config.Storage[string, int](s), config.HideKeys(), config.Logger(discardLog)))
	err := f.Set(t.Context(), "secret", 1)
	if !errors.Is(err, errOutage) || !errors.Is(err, errBad) || strings.Contains(err.Error(), "secret") || !strings.HasSuffix(err.Error(), "outage: bad argument: odd") {
		t.Errorf("Set: %v", err)
	}
	noError(t, f.Close(t.Context()))
}

var _ eviction.Clocked = (*waking)(nil)
