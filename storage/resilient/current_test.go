package resilient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A copy is current while a Watch of its own key runs, and for RecheckAfter.
func TestHowLongACopyIsCurrent(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		stops := []func(){watch(t, s, "a"), watch(t, s, "b")}
		asks := func(key string, want int) {
			t.Helper()
			at.anew()
			holds(t, s, key, "1")
			if looked, _, _ := at.anew(); len(looked) != want {
				t.Errorf("a Get at %q asks the store %d times, want %d", key, len(looked), want)
			}
		}
		put(t, s, "a", "1", committed)
		put(t, s, "b", "1", committed)
		synctest.Wait()
		later(resilient.RecheckAfter - 1)
		asks("a", 0)
		later(1)
		asks("a", 1)
		asks("a", 0)
		asks("b", 1)
		stops[0]()
		asks("a", 1)
		asks("a", 1)
		asks("b", 0)
		stops[1]()
		asks("b", 1)
	})
}

// A read whose answer is late does not replace what was changed meanwhile.
func TestLateReadIsDiscarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := slowStore{newServer(), make(chan struct{})}
		s, _ := client(t, at)
		stores(t, at.server, "a", "1")
		go func() { at.answer <- struct{}{} }()
		holds(t, s, "a", "1")
		looked := make(chan struct{})
		go func() {
			defer close(looked)
			_, _ = s.Get(t.Context(), "a")
		}()
		synctest.Wait()
		put(t, s, "a", "2", committed)
		close(at.answer)
		<-looked
		at.stop()
		lacks(t, s, "nothing")
		holds(t, s, "a", "2")
		at.start()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_ = at.memory.Close()
	})
}

// untimed is a store that can't tell how long its records are kept.
type untimed struct{ storage.Bytes }

func (u untimed) Get(ctx context.Context, key string) (storage.Record, error) {
	r, err := u.Bytes.Get(ctx, key)
	r.Left = 0
	return r, err
}

// While the store is away a copy is served as long as the store would keep the record,
// and forever if the store can't tell.
func TestCopyExpires(t *testing.T) {
	for _, tells := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			at := newServer()
			var beneath storage.Bytes = at
			if !tells {
				beneath = untimed{at}
			}
			s, _ := client(t, beneath)
			if err := at.memory.Set(t.Context(), "hour", []byte("1"), time.Hour); err != nil {
				t.Fatal(err)
			}
			stores(t, at, "ever", "1")
			holds(t, s, "hour", "1")
			holds(t, s, "ever", "1")
			at.stop()
			lacks(t, s, "nothing")
			later(time.Hour - 1)
			holds(t, s, "hour", "1")
			later(1)
			if tells {
				lacks(t, s, "hour")
			} else {
				holds(t, s, "hour", "1")
			}
			later(time.Hour)
			holds(t, s, "ever", "1")
			at.start()
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			_ = at.memory.Close()
		})
	}
}
