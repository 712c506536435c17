package memoize_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// G7: whatever user code panics or calls runtime.Goexit, those who wait get an
// error with the stack, and the key works as soon as the code does.
func TestPanicsAndGoexit(t *testing.T) {
	var broken atomic.Bool
	var breakage func()
	crash := func(string) {
		if broken.Load() {
			breakage()
		}
	}
	crashOn := func(what string) func(string) {
		return func(happens string) {
			if happens == what {
				crash(what)
			}
		}
	}
	places := map[string]func(source *scripted[string, int]) *memoize.Func[string, int]{
		"source": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(func(ctx context.Context, arg string) (int, error) {
				v, err := source.load(ctx, arg)
				crash("source")
				return v, err
			}, minuteAndHour...))
		},
		"builder": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(source.load, config.Builder(entry.BuilderFunc[string, int](
				func(_ string, v int, now entry.Instant) *entry.Entry[int] {
					crash("builder")
					return entry.New(v, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
				}))))
		},
		"strategy is told of a write": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(source.load, config.Evict[string](&mockStrategy[string]{hook: crashOn("written")})))
		},
		"strategy names a key": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(source.load, config.Evict[string](&mockStrategy[string]{hook: crashOn("next")})))
		},
	}
	for place, build := range places {
		for how, b := range map[string]func(){"panic": func() { panic(errOutage) }, "goexit": runtime.Goexit} {
			t.Run(place+" "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					source := returning[string](1)
					f := build(source)
					open := source.holds()
					breakage = b
					broken.Store(true)
					finish := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
					open()
					for _, r := range finish() {
						var p *memoize.PanicError
						if !errors.As(r.err, &p) {
							t.Fatalf("got %v, %v; want a *PanicError", r.value, r.err)
						}
						if how == "panic" && (p.Value != errOutage || !errors.Is(r.err, errOutage)) || how == "goexit" && p.Value != memoize.ErrGoexit {
							t.Errorf("the panic's value is %v", p.Value)
						}
						if !strings.Contains(string(p.Stack), "panics_test.go") {
							t.Errorf("the stack does not show where it happened:\n%s", p.Stack)
						}
					}
					if s := f.Stats(); s.Panics != 1 {
						t.Errorf("%d panics are counted, want 1", s.Panics)
					}
					broken.Store(false)
					wants(t, 1)(f.Refresh(t.Context(), "key"))
					settled(t, f)
					noError(t, f.Close(t.Context()))
				})
			})
		}
	}
}

// G7: a panic in a background refresh is nobody's but the observer's.
func TestPanicInABackgroundRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen journal
		healthy := true
		f := memoize.Must(memoize.New(func(context.Context, string) (int, error) {
			if !healthy {
				panic("boom")
			}
			return 1, nil
		}, with(config.Observe(observe.Func(func(_ context.Context, e observe.Event) { seen.add("%v", e.Kind) })))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		healthy = false
		time.Sleep(2 * time.Minute)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		seen.exactly(t, "panicked", 1)
		healthy = true
		time.Sleep(2 * time.Minute)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		seen.exactly(t, "recovered", 1)
	})
}

// G7: code that runs on the caller's own goroutine. A Goexit there ends that
// goroutine, as it is meant to, and no other.
func TestPanicsOfTheCallersOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var crash func()
		source := returning[string](1)
		strategy := &mockStrategy[string]{}
		f := memoize.Must(memoize.NewKeyed(source.load, func(k string) string {
			if k == "bad key" && crash != nil {
				crash()
			}
			return k
		}, with(config.Evict[string](strategy), config.Postprocess(config.CopyBy(func(v int) int {
			if v == 2 && crash != nil {
				crash()
			}
			return v
		})))...))
		crash = func() { panic("boom") }
		_, err := f.Call(t.Context(), "bad key")
		if p := (*memoize.PanicError)(nil); !errors.As(err, &p) || !errors.Is(err, memoize.ErrKey) {
			t.Fatalf("key function: got %v, want a *PanicError that matches ErrKey", err)
		}
		source.returns(2)
		for n := range 2 { // a miss and a hit
			_, err = f.Call(t.Context(), "key")
			if p := (*memoize.PanicError)(nil); !errors.As(err, &p) {
				t.Fatalf("postprocessing, call %d: got %v, want a *PanicError", n, err)
			}
		}
		wantCalls(t, source, 1)
		strategy.hook = func(what string) {
			if what == "read" {
				panic("boom")
			}
		}
		_, err = f.Call(t.Context(), "key")
		if p := (*memoize.PanicError)(nil); !errors.As(err, &p) {
			t.Fatalf("strategy's MarkRead: got %v, want a *PanicError", err)
		}
		strategy.hook = nil

		crash = runtime.Goexit
		for _, key := range []string{"bad key", "key"} {
			gone := make(chan bool, 1)
			go func() {
				returned := false
				defer func() { gone <- !returned }()
				f.Call(t.Context(), key)
				returned = true
			}()
			if !<-gone {
				t.Fatalf("key %q: the call returned, though its code ended the goroutine", key)
			}
		}
		crash = nil
		wants(t, 2)(f.Call(t.Context(), "bad key"))
		wants(t, 2)(f.Call(t.Context(), "key"))
		settled(t, f)
	})
}

// A panic of the observer's harms nobody.
func TestPanicOfAnObserver(t *testing.T) { // G7
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load,
			config.Observe(observe.Func(func(context.Context, observe.Event) { panic("boom") })), config.Logger(discardLog)))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		wants(t, 1)(f.Call(t.Context(), "key"))
	})
}
