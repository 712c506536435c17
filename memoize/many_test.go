package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// books is a batched source that notes what it is asked for.
type books struct {
	mu      sync.Mutex
	version int
	err     error
	asked   [][]string
	gate    chan struct{}
}

func (b *books) load(_ context.Context, keys []string) (map[string]int, error) {
	b.mu.Lock()
	b.asked = append(b.asked, slices.Sorted(slices.Values(keys)))
	version, err, gate := b.version, b.err, b.gate
	b.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	for _, key := range keys {
		if key != "none" {
			found[key] = 100*version + len(key)
		}
	}
	return found, nil
}

func (b *books) becomes(version int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version, b.err = version, err
}

// was is what was asked for since it was last looked at, in order.
func (b *books) was() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	slices.SortFunc(asked, slices.Compare)
	return fmt.Sprint(asked)
}

func wantAsked(t *testing.T, b *books, want string) {
	t.Helper()
	if got := b.was(); got != want {
		t.Errorf("the source was asked for %v, want %v", got, want)
	}
}

func wantMany(t *testing.T, want ...int) func(got []int, err error) {
	t.Helper()
	return func(got []int, err error) {
		t.Helper()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
}

// The error of many names three failures and counts all.
func TestManyErrorText(t *testing.T) {
	f := memoize.Must(memoize.New(lengths, config.ExpireAfter(time.Hour), config.PlainErrors(), config.Logger(discardLog)))
	for args, want := range map[string]string{
		"a bad":               "memoize: 1 of 2 keys failed; bad argument",
		"bad bad bad":         "memoize: 3 of 3 keys failed; bad argument; bad argument; bad argument",
		"bad a bad b bad bad": "memoize: 4 of 6 keys failed; bad argument; bad argument; bad argument; ...",
	} {
		_, err := f.CallMany(t.Context(), strings.Fields(args))
		if err == nil || err.Error() != want {
			t.Errorf("of %s it says %v, want %s", args, err, want)
		}
		var many *memoize.ManyError
		if !errors.As(err, &many) || len(many.Unwrap()) != strings.Count(args, "bad") || !errors.Is(err, errBad) {
			t.Errorf("of %s it wraps %v", args, err)
		}
	}
}

// Stale values are returned at once and refreshed together, unless a refresh runs or
// the last one failed a moment ago.
func TestCallManyOfStaleValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &books{}
		f := memoize.Must(memoize.NewBatched(b.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.MaxBatch(2), config.Logger(discardLog)))
		all := []string{"a", "bb", "ccc", "a"}
		wantMany(t, 1, 2, 3, 1)(f.CallMany(t.Context(), all))
		wantAsked(t, b, "[[a bb] [ccc]]")
		wantMany(t, 1, 2, 3, 1)(f.CallMany(t.Context(), all))
		wantAsked(t, b, "[]")
		time.Sleep(2 * time.Minute)
		b.becomes(0, errBad)
		wantMany(t, 1, 2, 3, 1)(f.CallMany(t.Context(), all))
		settled(t, f)
		wantAsked(t, b, "[[a bb] [ccc]]")
		wantMany(t, 1, 2, 3, 1)(f.CallMany(t.Context(), all))
		settled(t, f)
		wantAsked(t, b, "[]") // they failed a moment ago
		b.becomes(1, nil)
		time.Sleep(2 * time.Second)
		b.gate = make(chan struct{})
		wantMany(t, 1)(f.CallMany(t.Context(), all[:1]))
		synctest.Wait()
		wantMany(t, 1, 2, 3, 1)(f.CallMany(t.Context(), all)) // a is being refreshed
		synctest.Wait()
		close(b.gate)
		settled(t, f)
		wantAsked(t, b, "[[a] [bb ccc]]")
		wantMany(t, 101, 102, 103, 101)(f.CallMany(t.Context(), all))
		wantAsked(t, b, "[]")
		if s := f.Stats(); s.Fresh != 6 || s.Stale != 3+3+1+3 || s.Loaded+s.Joined != 3 {
			t.Errorf("counted %d fresh, %d stale, %d loaded, %d joined", s.Fresh, s.Stale, s.Loaded, s.Joined)
		}
	})
}

// Without room for another refresh, stale values are returned and left as they are.
func TestCallManyShedsRefreshes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &books{}
		f := memoize.Must(memoize.NewBatched(b.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.MaxBackground(1), config.MaxBatch(1), config.Logger(discardLog)))
		wantMany(t, 1, 2)(f.CallMany(t.Context(), []string{"a", "bb"}))
		b.was()
		time.Sleep(2 * time.Minute)
		b.gate = make(chan struct{})
		wantMany(t, 1, 2)(f.CallMany(t.Context(), []string{"a", "bb"}))
		synctest.Wait()
		if s := f.Stats(); s.Shed != 1 || s.RefreshesRunning != 1 {
			t.Errorf("%d shed, %d run; want 1 and 1", s.Shed, s.RefreshesRunning)
		}
		close(b.gate)
		settled(t, f)
		wantAsked(t, b, "[[a]]")
		wantMany(t, 1, 2)(f.CallMany(t.Context(), []string{"a", "bb"}))
		settled(t, f)
		wantAsked(t, b, "[[bb]]")
	})
}

// RefreshMany loads what is fresh as well; PeekMany and what is stored for many
// load nothing.
func TestManyVerbs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, b := t.Context(), &books{}
		f := memoize.Must(memoize.NewBatched(b.load, config.ExpireAfter(time.Hour), config.Logger(discardLog),
			config.Postprocess(config.CopyBy(func(n int) int { return -n }))))
		keys := []string{"a", "bb", "a"}
		wantMany(t, -1, -2, -1)(f.CallMany(ctx, keys))
		b.becomes(1, nil)
		wantMany(t, -101, -102, -101)(f.RefreshMany(ctx, keys))
		wantAsked(t, b, "[[a bb] [a bb]]")
		if values, found := f.PeekMany(ctx, []string{"bb", "ccc", "a", "bb"}); !slices.Equal(values, []int{-102, 0, -101, -102}) || !slices.Equal(found, []bool{true, false, true, true}) {
			t.Errorf("PeekMany returns %v, %v", values, found)
		}
		noError(t, f.SetMany(ctx, []string{"a", "ccc"}, []int{7, 8}))
		wantMany(t, -7, -8)(f.CallMany(ctx, []string{"a", "ccc"}))
		touched, err := f.TouchMany(ctx, []string{"a", "dddd", "ccc"})
		if err != nil || !slices.Equal(touched, []bool{true, false, true}) {
			t.Errorf("TouchMany returns %v, %v", touched, err)
		}
		noError(t, f.InvalidateMany(ctx, []string{"a", "ccc"}))
		if _, found := f.PeekMany(ctx, []string{"a", "bb", "ccc"}); !slices.Equal(found, []bool{false, true, false}) {
			t.Errorf("after it was invalidated PeekMany finds %v", found)
		}
		wantAsked(t, b, "[]")
		_, err = f.CallMany(ctx, []string{"a", "none"})
		var many *memoize.ManyError
		if !errors.As(err, &many) || many.At(0) != nil || many.At(1) == nil {
			t.Errorf("of one that the source does not know it says %v", err)
		}
		noError(t, f.Close(ctx))
		for call, err := range map[string]error{
			"CallMany":       second(f.CallMany(ctx, keys)),
			"RefreshMany":    second(f.RefreshMany(ctx, keys)),
			"SetMany":        f.SetMany(ctx, keys, []int{1, 2, 3}),
			"InvalidateMany": f.InvalidateMany(ctx, keys),
			"TouchMany":      second(f.TouchMany(ctx, keys)),
		} {
			if !errors.Is(err, memoize.ErrClosed) || !errors.As(err, &many) || len(many.Unwrap()) != 3 {
				t.Errorf("once closed %s returns %v", call, err)
			}
		}
		if _, found := f.PeekMany(ctx, keys); slices.Contains(found, true) {
			t.Errorf("once closed PeekMany finds %v", found)
		}
	})
}

func second[V any](_ V, err error) error { return err }

// A load that asks for its own key among others gets an error for that one.
func TestCallManyInsideItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[string, int]
		var inner, refreshed error
		source := func(ctx context.Context, keys []string) (map[string]int, error) {
			found := map[string]int{}
			for _, key := range keys {
				found[key] = len(key)
			}
			if slices.Contains(keys, "outer") {
				_, inner = f.CallMany(ctx, []string{"a", "outer"})
				_, refreshed = f.RefreshMany(ctx, []string{"outer", "a"})
			}
			return found, nil
		}
		f = memoize.Must(memoize.NewBatched(source, config.ExpireAfter(time.Hour), config.Logger(discardLog)))
		wantMany(t, 5, 2)(f.CallMany(t.Context(), []string{"outer", "bb"}))
		var many *memoize.ManyError
		if !errors.As(inner, &many) || many.At(0) != nil || !errors.Is(many.At(1), memoize.ErrRecursion) {
			t.Errorf("CallMany in its own load: %v", inner)
		}
		if !errors.As(refreshed, &many) || !errors.Is(many.At(0), memoize.ErrRecursion) || many.At(1) != nil {
			t.Errorf("RefreshMany in its own load: %v", refreshed)
		}
	})
}

// A call for many ends with its context, for those that it still waits for.
func TestCallManyEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &books{}
		f := memoize.Must(memoize.NewBatched(b.load, config.ExpireAfter(time.Hour)))
		wantMany(t, 1)(f.CallMany(t.Context(), []string{"a"}))
		b.gate = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		call := begin(1, func() ([]int, error) { return f.CallMany(ctx, []string{"a", "bb"}) })
		synctest.Wait()
		cancel()
		var many *memoize.ManyError
		if r := call()[0]; !slices.Equal(r.value, []int{1, 0}) || !errors.As(r.err, &many) || many.At(0) != nil || !errors.Is(many.At(1), context.Canceled) {
			t.Errorf("got %v, %v", r.value, r.err)
		}
		values, err := f.CallMany(ctx, []string{"ccc", "a"})
		if !slices.Equal(values, []int{0, 1}) || !errors.As(err, &many) || !errors.Is(many.At(0), context.Canceled) || many.At(1) != nil {
			t.Errorf("with a context that has ended: %v, %v", values, err)
		}
		close(b.gate)
		settled(t, f)
		if s := f.Stats(); s.Left != 2 {
			t.Errorf("%d have left, want 2", s.Left)
		}
	})
}

// Stale values of a source that takes one key are refreshed one by one.
func TestCallManyOfStaleValuesOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour)))
		wantMany(t, 1, 1)(f.CallMany(t.Context(), []string{"a", "b"}))
		time.Sleep(2 * time.Minute)
		source.returns(2)
		wantMany(t, 1, 1)(f.CallMany(t.Context(), []string{"a", "b"}))
		settled(t, f)
		wantMany(t, 2, 2)(f.CallMany(t.Context(), []string{"a", "b"}))
		wantCalls(t, source, 4)
	})
}

// Over a store, where everybody has its own copy of what is stale, a refresh that
// runs is not started again, and makes room when it ends.
func TestCallManyOfStaleValuesOverAStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &books{}
		store, err := storage.Share(newUnreliable())
		noError(t, err)
		f := memoize.Must(memoize.NewBatched(b.load, config.Store(store), config.Name("books"), config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.MaxBackground(2)))
		wantMany(t, 1, 2)(f.CallMany(t.Context(), []string{"a", "bb"}))
		b.was()
		time.Sleep(2 * time.Minute)
		b.gate = make(chan struct{})
		for range 5 {
			wantMany(t, 1)(f.CallMany(t.Context(), []string{"a"}))
			synctest.Wait()
		}
		wantMany(t, 1, 2)(f.CallMany(t.Context(), []string{"a", "bb"}))
		synctest.Wait()
		if s := f.Stats(); s.Shed != 0 || s.RefreshesRunning != 2 {
			t.Errorf("%d shed, %d run; want none and 2", s.Shed, s.RefreshesRunning)
		}
		close(b.gate)
		settled(t, f)
		wantAsked(t, b, "[[a] [bb]]")
	})
}

// Who joined a load for one of many keys looks again where another process has
// invalidated it.
func TestG4CallManyLooksAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u, source := newUnreliable(), returning[string](1)
		one, two := overStore(t, u, source), overStore(t, u, source)
		open := source.holds()
		leads := begin(1, func() (int, error) { return one.Call(t.Context(), "a") })
		synctest.Wait()
		source.returns(2)
		source.lets()
		noError(t, two.Invalidate(t.Context(), "a"))
		joins := begin(1, func() ([]int, error) { return one.CallMany(t.Context(), []string{"a", "b"}) })
		synctest.Wait()
		open()
		r := joins()[0]
		wantMany(t, 2, 2)(r.value, r.err)
		noError(t, leads()[0].err) // it may have either
	})
}

// A strategy that panics costs one key of many its value.
func TestCallManyWithAStrategyThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &mockStrategy[string]{}
		f := memoize.Must(memoize.New(lengths, config.ExpireAfter(time.Hour), config.Evict[string](s), config.Logger(discardLog)))
		wantMany(t, 1, 2)(f.CallMany(t.Context(), []string{"a", "bb"}))
		reads := 0
		s.hook = func(what string) {
			if what == "read" {
				if reads++; reads == 1 {
					panic("boom")
				}
			}
		}
		values, err := f.CallMany(t.Context(), []string{"a", "bb"})
		var many *memoize.ManyError
		var p *memoize.PanicError
		if !slices.Equal(values, []int{0, 2}) || !errors.As(err, &many) || many.At(1) != nil || !errors.As(many.At(0), &p) {
			t.Errorf("got %v, %v; want the second, and the panic for the first", values, err)
		}
		if s := f.Stats(); s.Panics != 1 || s.Loads != 2 {
			t.Errorf("%d panics, %d loads", s.Panics, s.Loads)
		}
	})
}
