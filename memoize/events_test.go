package memoize_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// told is an observer that notes the events of some kinds.
type told struct {
	kinds  []observe.Kind
	events []observe.Event
}

func (o *told) Wants(k observe.Kind) bool { return slices.Contains(o.kinds, k) }

func (o *told) Observe(_ context.Context, e observe.Event) {
	if !o.Wants(e.Kind) {
		panic("an event that was not asked for")
	}
	o.events = append(o.events, e)
}

// was is the events since it was last looked at.
func (o *told) was() []observe.Event {
	events := o.events
	o.events = nil
	return events
}

// Loads tell of their beginning and end, with their keys and what became of them,
// whatever asks for them.
func TestEventsOfLoads(t *testing.T) {
	for name, c := range map[string]struct {
		bypass bool
		call   func(ctx context.Context, f *memoize.Func[string, int], arg string) (int, error)
		cause  observe.Cause
	}{
		"a call": {false, func(ctx context.Context, f *memoize.Func[string, int], arg string) (int, error) {
			return f.Call(ctx, arg)
		}, observe.Miss},
		"a refresh": {false, func(ctx context.Context, f *memoize.Func[string, int], arg string) (int, error) {
			return f.Refresh(ctx, arg)
		}, observe.Forced},
		"a direct call": {false, func(ctx context.Context, f *memoize.Func[string, int], arg string) (int, error) {
			return f.Direct(ctx, arg)
		}, observe.Direct},
		"a bypassed call": {true, func(ctx context.Context, f *memoize.Func[string, int], arg string) (int, error) {
			return f.Call(ctx, arg)
		}, observe.Direct},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := &told{kinds: []observe.Kind{observe.LoadStarted, observe.LoadEnded, observe.Failing, observe.Recovered}}
				source := func(_ context.Context, arg string) (int, error) {
					time.Sleep(time.Second)
					return lengths(context.Background(), arg)
				}
				f := memoize.Must(memoize.New(source, config.ExpireAfter(time.Hour), config.Bypass(c.bypass), config.Observe(o), config.Name("lengths")))
				expect := func(arg string, want ...observe.Event) {
					t.Helper()
					_, err := c.call(t.Context(), f, arg)
					settled(t, f)
					if (err != nil) != (arg == "bad") {
						t.Errorf("it returns %v", err)
					}
					events := o.was()
					slices.SortStableFunc(events, func(a, b observe.Event) int { return int(a.Kind) - int(b.Kind) })
					if len(events) != len(want) {
						t.Fatalf("%s: %d events, want %d: %+v", arg, len(events), len(want), events)
					}
					for i, e := range events {
						w := want[i]
						if e.Kind != w.Kind || e.Cause != c.cause || e.Count != w.Count || e.Duration != w.Duration || (e.Err != nil) != (w.Err != nil) || e.Func != "lengths" || e.Time.IsZero() || w.Key != "" && e.Key != w.Key {
							t.Errorf("%s: the event is %+v, want %+v by %v", arg, e, w, c.cause)
						}
					}
				}
				began, ended := observe.Event{Kind: observe.LoadStarted, Count: 1, Key: `"a"`}, observe.Event{Kind: observe.LoadEnded, Count: 1, Duration: time.Second, Key: `"a"`}
				expect("a", began, ended)
				began.Key, ended.Key, ended.Err = `"bad"`, `"bad"`, errBad
				expect("bad", began, ended, observe.Event{Kind: observe.Failing, Count: 1, Err: errBad, Key: `"bad"`})
				expect("bad", began, ended) // it is told once a minute
				time.Sleep(2 * time.Minute)
				began.Key, ended.Key, ended.Err = `"ab"`, `"ab"`, nil
				expect("ab", began, ended, observe.Event{Kind: observe.Recovered})
			})
		})
	}
}

// Keys in errors and events are quoted, and cut where they are long.
func TestKeysAreCut(t *testing.T) {
	for n, want := range map[int]string{
		64: `"` + strings.Repeat("x", 64) + `"`,
		65: `"` + strings.Repeat("x", 61) + `..."`,
	} {
		f := memoize.Must(memoize.New(func(context.Context, string) (int, error) { return 0, errBad }, config.ExpireAfter(time.Hour), config.Logger(discardLog)))
		_, err := f.Call(t.Context(), strings.Repeat("x", n))
		if e := loadError(t, err, memoize.Failed, errBad); e.Key != want {
			t.Errorf("a key of %d letters is shown as %s", n, e.Key)
		}
	}
}
