package storage

import (
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/coarse"
)

// State is what there is to know of a Store at one moment.
type State struct {
	Name      string        // of the client, without its password
	Prefix    string        // of every key
	Functions int           // that keep values in it
	Down      bool          // nothing of it succeeds: it is asked once a second only
	Probing   bool          // it is being asked
	DownFor   time.Duration // since when; on a clock that was handed in it may be anything
	NextProbe time.Duration // when it is asked again, likewise
}

// State is how the store is. It asks the store nothing.
func (s *Store) State() State {
	st := State{Name: s.String(), Prefix: s.prefix}
	s.mu.Lock()
	for _, space := range s.spaces {
		st.Functions += space.uses
	}
	s.mu.Unlock()
	if how, opened, next := s.breaker.State(); how != breaker.Closed {
		now := entry.Instant(coarse.Monotonic())
		st.Down, st.Probing, st.DownFor, st.NextProbe = true, how == breaker.HalfOpen, now.Sub(opened), max(0, next.Sub(now))
	}
	return st
}
