package eviction

import (
	"fmt"
	"math"
	"sync"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/bind"
)

// bounded is the part that strategies with a capacity share: which keys there
// are, what they weigh, and when there is too much. In what order they go is a
// policy's.
type bounded[K comparable, X any] struct {
	bind.Once
	mu       sync.Mutex
	policy   policy
	name     string
	capacity int // at most mostCapacity
	given    int // as it was given
	keys     arena[K, X]
	refused  map[K]struct{} // too heavy: to be named, and at no place
	clock    func() entry.Instant
	now      entry.Instant // as a key is asked for, if there is a clock
}

// policy is the part in which strategies differ. It has no lock; places are those
// of the arena that it shares with its bounded.
type policy interface {
	// add enters a new place.
	add(place uint32, e *entry.Meta)
	// renew is told of an entry that has replaced the one of a place, and is it
	// where the same is told of twice.
	renew(place uint32, e *entry.Meta)
	// rowOf is the row that the place is in.
	rowOf(place uint32) *row
	// drop takes the place out of its row, for a reason that is not the policy's.
	drop(place uint32)
	// next takes the place that is to go out of its row. There is one.
	next() uint32
	// clear forgets everything.
	clear()
}

// mostCapacity is what a greater capacity, or weight, counts as: so what is kept and
// one key more have a sum.
const mostCapacity = math.MaxInt / 2

func (s *bounded[K, X]) init(name string, capacity int, p policy) {
	s.name, s.policy = name, p
	s.resize(capacity)
}

func (s *bounded[K, X]) resize(capacity int) {
	s.given = max(0, capacity)
	s.capacity = min(s.given, mostCapacity)
}

func (s *bounded[K, X]) MarkRead(K) {}

func (s *bounded[K, X]) MarkWritten(key K, e, old *entry.Meta) { s.MarkWeighed(key, e, old, 1) }

func (s *bounded[K, X]) MarkWeighed(key K, e, old *entry.Meta, weight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	heavy := weight > s.given
	weight = min(max(1, weight), mostCapacity)
	place := s.placeOf(key, old)
	others := s.keys.weight
	if place != 0 {
		others -= s.keys.weightOf(place)
	}
	if heavy || weight > s.capacity || others > math.MaxInt-weight { // the last where many come at once
		s.remove(place)
		if s.refused == nil {
			s.refused = map[K]struct{}{}
		}
		s.refused[key] = struct{}{}
		return
	}
	s.accept(key)
	if place == 0 {
		place = s.keys.add(key, weight)
		e.SetPlace(place)
		s.policy.add(place, e)
		return
	}
	s.policy.rowOf(place).weight += weight - s.keys.weightOf(place)
	s.keys.reweigh(place, weight)
	if e != old { // else it is only weighed anew
		e.SetPlace(place)
		s.policy.renew(place, e)
	}
}

func (s *bounded[K, X]) MarkReleased(key K, old *entry.Meta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accept(key)
	s.remove(s.placeOf(key, old))
}

// placeOf is the place of the key whose entry is given, or 0.
func (s *bounded[K, X]) placeOf(key K, e *entry.Meta) uint32 {
	if e == nil {
		return 0
	}
	if place := e.Place() &^ inSample; s.keys.holds(place, key) {
		return place
	}
	return 0
}

// remove forgets a place, unless it is 0.
func (s *bounded[K, X]) remove(place uint32) {
	if place != 0 {
		s.policy.drop(place)
		s.keys.remove(place)
	}
}

// accept forgets that a key was refused.
func (s *bounded[K, X]) accept(key K) {
	if len(s.refused) > 0 {
		delete(s.refused, key)
	}
}

func (s *bounded[K, X]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next()
}

func (s *bounded[K, X]) next() (key K, ok bool) {
	if len(s.refused) > 0 {
		return s.nextRefused(), true
	}
	if s.keys.weight <= s.capacity {
		return key, false
	}
	if s.clock != nil {
		s.now = s.clock()
	}
	place := s.policy.next()
	key = s.keys.at(place).key
	s.keys.remove(place)
	return key, true
}

// nextRefused names a key that was too heavy. There is one. It stands apart, for
// the frames of a map's iteration would make the stack of every load grow.
//
//go:noinline
func (s *bounded[K, X]) nextRefused() (key K) {
	for key = range s.refused {
		break
	}
	delete(s.refused, key)
	return key
}

// expired tells whether an entry need not be kept in any case.
func (s *bounded[K, X]) expired(e *entry.Meta) bool {
	_, end := e.Ends() // whoever keeps it longer can do without it
	return s.clock != nil && end <= s.now
}

func (s *bounded[K, X]) Victims(most int) []K {
	s.mu.Lock()
	defer s.mu.Unlock()
	var victims []K
	for len(victims) < most {
		key, ok := s.next()
		if !ok {
			break
		}
		victims = append(victims, key)
	}
	return victims
}

func (s *bounded[K, X]) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.refused = arena[K, X]{}, nil
	s.policy.clear()
}

func (s *bounded[K, X]) SetClock(now func() entry.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = now
}

func (s *bounded[K, X]) SetCapacity(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resize(capacity)
}

func (s *bounded[K, X]) Capacity() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given
}

func (s *bounded[K, X]) Weight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys.weight
}

func (s *bounded[K, X]) String() string {
	return fmt.Sprintf("%s[capacity %d]", s.name, s.Capacity())
}
