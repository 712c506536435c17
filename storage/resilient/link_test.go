package resilient_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// link is a way to a server on which each round trip takes a while. A new connection
// takes three more, and a connection is dropped if its call ends before the answer.
type link struct {
	*server
	trip time.Duration

	mu   sync.Mutex
	idle int // connections
}

func (l *link) through(ctx context.Context) error {
	l.mu.Lock()
	takes := l.trip
	if l.idle > 0 {
		l.idle--
	} else {
		takes *= 4
	}
	l.mu.Unlock()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle++
	return nil
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = 0
}

func (l *link) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	if err := l.through(ctx); err != nil {
		return nil, err
	}
	found, err := l.server.Look(ctx, keys...)
	if err != nil {
		l.cut()
	}
	return found, err
}

func (l *link) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	if err := l.through(ctx); err != nil {
		return nil, err
	}
	made, err := l.server.Swap(ctx, changes...)
	if err != nil {
		l.cut()
	}
	return made, err
}

// On a link that takes longer to connect than a call may, a server that was cut off is
// found again, and stays found if several ask at once.
func TestSlowLink(t *testing.T) {
	for _, trip := range []time.Duration{20, 100, 125, 150, 170, 300, 450} {
		trip *= time.Millisecond
		t.Run(trip.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &link{server: newServer(), trip: trip, idle: 1}
				s, seen := client(t, l)
				put(t, s, "a", "1", committed)
				for range 2 {
					l.stop()
					l.cut()
					put(t, s, "a", "2", queued)
					later(time.Second)
					l.start()
					later(time.Minute)
					holds(t, l.memory, "a", "2")
					trips := s.Stats().Trips
					var all sync.WaitGroup
					for _, key := range []string{"a", "b", "c"} {
						all.Go(func() { put(t, s, key, "3", committed) })
					}
					all.Wait()
					if stats := s.Stats(); stats.State != resilient.StateClosed || stats.Trips != trips {
						t.Errorf("it is %v, %v: %v", stats.State, stats.Err, seen.sofar())
					}
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
				_ = l.memory.Close()
			})
		})
	}
}

// A server that hangs holds a call up no longer than before, and a probe not for ever.
func TestProbeOfAServerThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.set(func(s *server) { s.hangs = true })
		began := time.Now()
		put(t, s, "a", "1", queued)
		if took := time.Since(began); took != resilient.DefaultTimeout {
			t.Errorf("the first call took %v", took)
		}
		later(10 * time.Minute)
		asked, longest := time.Time{}, time.Duration(0)
		for _, e := range seen.sofar() {
			switch e.Kind {
			case resilient.HalfOpen:
				asked = e.Time
			case resilient.Opened:
				if !asked.IsZero() {
					longest = max(longest, e.Time.Sub(asked))
				}
			}
		}
		if want := 8 * resilient.DefaultTimeout; longest != want {
			t.Errorf("the longest probe took %v, want %v", longest, want)
		}
		at.set(func(s *server) { s.hangs = false })
		later(time.Minute)
		at.set(func(s *server) { s.hangs = true })
		began = time.Now()
		put(t, s, "a", "2", queued)
		if took := time.Since(began); took != resilient.DefaultTimeout {
			t.Errorf("after a server that answers at once a call took %v", took)
		}
	})
}
