package resilient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A Set of a record that others have changed since it was seen costs one read and another
// try; a Set of a record that was just stored costs neither, however short that is kept.
func TestRoundTripsOfASet(t *testing.T) {
	for _, c := range []struct {
		name   string
		keep   time.Duration
		others bool
		looks  int
		sent   int
	}{
		{"seen", storage.Forever, false, 0, 1},
		{"short", 1, false, 0, 1},
		{"others", storage.Forever, true, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
				if _, err := outcomeOf(s.Set(t.Context(), "a", []byte("1"), c.keep)); err != nil {
					t.Fatal(err)
				}
				if c.others {
					stores(t, at.server, "a", "9")
				}
				at.anew()
				put(t, s, "a", "2", committed)
				if looked, swapped, _ := at.anew(); len(looked) != c.looks || len(swapped) != c.sent {
					t.Errorf("it looks at %q and sends %q", looked, swapped)
				}
				holds(t, at.memory, "a", "2")
			})
		})
	}
}

// late is a server whose callers leave, and whose answers to Look are delayed.
type late struct {
	*leaving
	answer chan struct{} // nil where none waits
}

func (l *late) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	answer := l.answer
	found, err := l.leaving.Look(ctx, keys...)
	if answer != nil {
		<-answer
	}
	return found, err
}

// A read that began before a change in doubt says nothing of it: the next change accepts
// either version.
func TestReadBeforeAChangeInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &late{leaving: &leaving{server: newServer()}}
		s, seen := client(t, at)
		put(t, s, "a", "0", committed)
		answer := make(chan struct{})
		at.answer = answer
		looked := make(chan struct{})
		go func() {
			defer close(looked)
			_, _ = s.Get(t.Context(), "a")
		}()
		synctest.Wait()
		at.answer = nil
		ctx, cancel := context.WithCancel(t.Context())
		at.leave, at.made = cancel, true
		if _, err := outcomeOf(s.Set(ctx, "a", []byte("left"), storage.Forever)); !errors.Is(err, context.Canceled) {
			t.Errorf("Set: %v", err)
		}
		at.leave = nil
		close(answer)
		<-looked
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "a", "1", queued)
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "1")
		if told := seen.of(resilient.Conflict); len(told) > 0 {
			t.Errorf("conflicts: %+v", told)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_ = at.memory.Close()
	})
}

// For a caller who leaves while others are faster, at once or in the pause after many
// tries, nothing more is sent.
func TestCallerLeavesUnderContention(t *testing.T) {
	for _, tries := range []int{1, 5} {
		for _, updates := range []bool{false, true} {
			overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
				put(t, s, "a", "0", committed)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				swaps := 0
				at.set(func(s *server) {
					s.fault = func(verb, _ string) error {
						if verb != "swap" {
							return nil
						}
						stores(t, at.server, "a", "9")
						switch swaps++; {
						case swaps < tries:
						case tries == 1:
							cancel()
							at.anew()
						default:
							time.AfterFunc(time.Millisecond, func() { cancel(); at.anew() })
						}
						return nil
					}
				})
				var err error
				if updates {
					_, _, err = updated(s.Update(ctx, "a", appends("1")))
				} else {
					_, err = outcomeOf(s.Set(ctx, "a", []byte("1"), storage.Forever))
				}
				if !errors.Is(err, context.Canceled) {
					t.Errorf("it ends with %v", err)
				}
				if looked, swapped, _ := at.anew(); len(looked) > 0 || len(swapped) > 0 {
					t.Errorf("it looks at %q and sends %q for who has left", looked, swapped)
				}
			}, resilient.Random(longest))
		}
	}
}
