package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

type layerKey struct{ name string }

// layer is an observer that puts its name into the context of a source, and notes of
// which loads it was told that they have ended.
type layer struct {
	name string
	wrap func(ctx context.Context, e observe.Event) context.Context // nil adds the name

	mu    sync.Mutex
	began []observe.Event
	ended []string // what was found under the context
	errs  []error
	late  int
}

func (o *layer) Wants(k observe.Kind) bool { return k == observe.LoadEnded }

func (o *layer) LoadContext(ctx context.Context, e observe.Event) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.began = append(o.began, e)
	if o.wrap != nil {
		return o.wrap(ctx, e)
	}
	return context.WithValue(ctx, layerKey{o.name}, fmt.Sprint(o.name, " ", len(o.began)))
}

func (o *layer) Observe(ctx context.Context, e observe.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found, _ := ctx.Value(layerKey{o.name}).(string)
	o.ended, o.errs = append(o.ended, found), append(o.errs, e.Err)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		o.late++
	}
}

// The source gets what observers add to its context, of all of them, whatever asks for
// the load, beside the values of the call; and they are told of its end under that.
func TestWrappersAddToTheContextOfTheSource(t *testing.T) {
	type calls = func(t *testing.T, f *memoize.Func[string, int])
	ctx := func(t *testing.T) context.Context { return context.WithValue(t.Context(), layerKey{"call"}, "call") }
	for name, c := range map[string]struct {
		cause observe.Cause
		opts  []config.Option
		call  calls
	}{
		"a miss": {observe.Miss, nil, func(t *testing.T, f *memoize.Func[string, int]) { wants(t, 1)(f.Call(ctx(t), "a")) }},
		"forced": {observe.Forced, nil, func(t *testing.T, f *memoize.Func[string, int]) { wants(t, 1)(f.Refresh(ctx(t), "a")) }},
		"direct": {observe.Direct, nil, func(t *testing.T, f *memoize.Func[string, int]) { wants(t, 1)(f.Direct(ctx(t), "a")) }},
		"bypass": {observe.Direct, []config.Option{config.Bypass(true)}, func(t *testing.T, f *memoize.Func[string, int]) { wants(t, 1)(f.Call(ctx(t), "a")) }},
		"refresh": {observe.Refresh, []config.Option{config.UpdateAfter(0), config.ExpireAfter(time.Hour)}, func(t *testing.T, f *memoize.Func[string, int]) {
			noError(t, f.Set(ctx(t), "a", 1))
			wants(t, 1)(f.Call(ctx(t), "a"))
			settled(t, f)
		}},
	} {
		for _, batched := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " batched ", batched), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					a, b := &layer{name: "a"}, &layer{name: "b"}
					var found []any
					look := func(ctx context.Context) {
						found = []any{ctx.Value(layerKey{"a"}), ctx.Value(layerKey{"b"}), ctx.Value(layerKey{"call"})}
					}
					opts := append(c.opts, config.Name("f"), config.Observe(observe.All(a, observe.Discard)), config.Observe(b), config.HideKeys())
					f, err := memoize.New(func(ctx context.Context, _ string) (int, error) { look(ctx); return 1, nil }, opts...)
					if batched {
						f, err = memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]int, error) {
							look(ctx)
							return map[string]int{keys[0]: 1}, nil
						}, opts...)
					}
					noError(t, err)
					c.call(t, f)
					settled(t, f)
					synctest.Wait() // the end of a direct one is told on its own goroutine
					if want := []any{"a 1", "b 1", "call"}; !slices.Equal(found, want) {
						t.Errorf("the source finds %v, want %v", found, want)
					}
					for _, o := range []*layer{a, b} {
						if len(o.began) != 1 || !slices.Equal(o.ended, []string{o.name + " 1"}) {
							t.Fatalf("observer %s is told of %d loads, and of the end of %q", o.name, len(o.began), o.ended)
						}
						if e := o.began[0]; e.Kind != observe.LoadStarted || e.Cause != c.cause || e.Count != 1 || e.Func != "f" || e.Key == "" || e.Key == `"a"` || !e.Time.Equal(time.Now()) {
							t.Errorf("observer %s is given %+v", o.name, e)
						}
					}
				})
			})
		}
	}
}

// What an observer returns goes to the source only if it comes from what it was given,
// and whatever it does the source's context ends with the load, and no other one.
func TestWrappersCanNotHideTheLoad(t *testing.T) {
	type key = layerKey
	for name, c := range map[string]struct {
		wrap   func(ctx context.Context, e observe.Event) context.Context
		taken  bool
		panics uint64
	}{
		"nothing": {func(context.Context, observe.Event) context.Context { return nil }, false, 0},
		"a panic": {func(context.Context, observe.Event) context.Context { panic("boom") }, false, 1},
		"another context": {func(context.Context, observe.Event) context.Context {
			return context.WithValue(context.Background(), key{"x"}, "x")
		}, false, 0},
		"one that never ends": {func(ctx context.Context, _ observe.Event) context.Context {
			return context.WithoutCancel(context.WithValue(ctx, key{"x"}, "x"))
		}, true, 0},
		"one that has ended": {func(ctx context.Context, _ observe.Event) context.Context {
			return ended(context.WithValue(ctx, key{"x"}, "x"))
		}, true, 0},
		"one with values": {func(ctx context.Context, _ observe.Event) context.Context {
			return context.WithValue(ctx, key{"x"}, "x")
		}, true, 0},
		"one that ends at another": {func(ctx context.Context, _ observe.Event) context.Context {
			return shorter(context.WithValue(ctx, key{"x"}, "x"))
		}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var f *memoize.Func[string, int]
				outer := &layer{name: "x", wrap: c.wrap}
				after := &layer{name: "after"}
				source := func(ctx context.Context, arg string) (int, error) {
					if got := ctx.Value(key{"x"}) != nil; got != c.taken || ctx.Value(key{"after"}) == nil {
						t.Errorf("its values are taken: %v, want %v; and those of the next observer %v", got, c.taken, ctx.Value(key{"after"}))
					}
					switch arg {
					case "recursion":
						_, err := f.Call(ctx, arg)
						return 0, err
					case "recursion within":
						within, cancel := context.WithTimeout(ctx, time.Hour)
						defer cancel()
						_, err := f.Call(within, arg)
						return 0, err
					case "hangs":
						at, ok := ctx.Deadline()
						if want := time.Now().Add(time.Second); !ok || !at.Equal(want) {
							t.Errorf("the deadline is %v, %v, want %v", at, ok, want)
						}
						within, cancel := context.WithCancel(ctx)
						defer cancel()
						<-within.Done()
						return 0, ctx.Err()
					}
					return 1, ctx.Err()
				}
				f = memoize.Must(memoize.New(source, config.ExpireAfter(time.Hour), config.MethodTimeout(time.Second), config.Logger(discardLog), config.Observe(outer), config.Observe(after)))
				wants(t, 1)(f.Call(t.Context(), "a"))
				for _, arg := range []string{"recursion", "recursion within"} {
					if _, err := f.Call(t.Context(), arg); !errors.Is(err, memoize.ErrRecursion) {
						t.Errorf("%s: %v, want ErrRecursion", arg, err)
					}
				}
				_, err := f.Call(t.Context(), "hangs")
				loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
				settled(t, f)
				synctest.Wait()
				if n := len(after.ended); n != 4 || after.late != 1 {
					t.Errorf("of four loads %d are told to have ended, and %d to be late; want 4 and 1", n, after.late)
				}
				if n := f.Stats().Panics; n != 4*c.panics {
					t.Errorf("%d panics are counted, want %d", n, 4*c.panics)
				}
			})
		})
	}
}

func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func shorter(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// Who was told of a run's beginning is told of its end, whatever the source does.
func TestEachRunThatBeginsEnds(t *testing.T) {
	for name, source := range map[string]func() (int, error){
		"returns":        func() (int, error) { return 1, nil },
		"fails":          func() (int, error) { return 0, errOutage },
		"panics":         func() (int, error) { panic("boom") },
		"ends goroutine": func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		for how, opts := range map[string][]config.Option{"a load": nil, "a direct one": {config.Bypass(true)}} {
			for _, batched := range []bool{false, true} {
				t.Run(fmt.Sprint(name, " ", how, " batched ", batched), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						o := &layer{name: "a"}
						opts := append(opts, config.Observe(o), config.Logger(discardLog), config.Name("f"))
						f, err := memoize.New(func(context.Context, string) (int, error) { return source() }, opts...)
						if batched {
							f, err = memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
								v, err := source()
								return map[string]int{keys[0]: v}, err
							}, opts...)
						}
						noError(t, err)
						_, err = f.Call(t.Context(), "a")
						settled(t, f)
						synctest.Wait()
						if !slices.Equal(o.ended, []string{"a 1"}) {
							t.Fatalf("the ends of %q are told, want that of the one load", o.ended)
						}
						if (o.errs[0] == nil) != (err == nil) {
							t.Errorf("the load is told to end with %v, and the call with %v", o.errs[0], err)
						}
						if s := f.Stats(); s.LoadTimes.Count != 1 || s.Loads != 1 {
							t.Errorf("%d times of %d loads", s.LoadTimes.Count, s.Loads)
						}
					})
				})
			}
		}
	}
}

// G11: a source that calls the function again with the context that it kept makes no
// chain of them, though an observer has added to each.
func TestG11AWrappedContextThatIsHandedOn(t *testing.T) {
	handsOnItsContext(t, config.Observe(&forgetful{}))
}

// forgetful adds something large to each context.
type forgetful struct{}

func (*forgetful) Wants(observe.Kind) bool                { return false }
func (*forgetful) Observe(context.Context, observe.Event) {}
func (*forgetful) LoadContext(ctx context.Context, _ observe.Event) context.Context {
	return context.WithValue(ctx, layerKey{"large"}, new([4000]byte))
}
