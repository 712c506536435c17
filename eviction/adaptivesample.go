package eviction

import (
	"hash/maphash"

	"github.com/perennial-go/perennial/entry"
)

// sample is those keys whose hashes begin with so many zeros, and a shadow for
// each way to choose: a cache of the sample's share of the capacity, without
// values. Requests for a sample of the keys hit in it what all requests would hit
// in the whole one, nearly.
type sample struct {
	zeros   uint
	shadows [ways]*shadow // none until the first key
	vote    vote
}

// How many keys a shadow holds: so many at most, or so small a share of all where
// that is more. Where it comes to hold more, half of them leave the sample.
const (
	mostSampled   = 1024
	sharesSampled = 128
)

func (s *sample) has(hash uint64) bool { return hash>>(64-s.zeros) == 0 }

// request asks the shadows for a key of the sample, in a cache that holds so many
// keys.
func (s *sample) request(hash uint64, weight, held int) {
	var hits [ways]bool
	for w, shadow := range s.shadows {
		hits[w] = shadow.request(hash, weight)
	}
	s.vote.count(hits, s.held())
	if s.held() > max(mostSampled, held/sharesSampled) {
		s.halve()
	}
}

// held is how many keys a shadow holds: all of them about as many.
func (s *sample) held() int { return s.shadows[0].keys.count }

// decide is the way that is to be followed from now on.
func (s *sample) decide() way { return s.vote.decide(s.held()) }

// begin starts anew, with all keys and the way that is followed now.
func (s *sample) begin(now way, capacity int, seed maphash.Seed) {
	*s = sample{vote: vote{now: now}}
	for w := range ways {
		s.shadows[w] = newShadow(w, capacity, seed)
	}
}

func (s *sample) halve() {
	s.zeros++
	for _, shadow := range s.shadows {
		shadow.capacity /= 2
		for hash := range shadow.held {
			if !s.has(hash) {
				shadow.release(hash)
			}
		}
	}
}

// resize follows a change of the capacity.
func (s *sample) resize(capacity int) {
	for _, shadow := range s.shadows {
		shadow.capacity = capacity >> s.zeros
	}
}

// shadow is a cache without values, of hashes for keys.
type shadow struct {
	segmented[uint64]
	held  map[uint64]*entry.Meta
	spare *entry.Meta // of a key that is gone, for one that comes
}

func newShadow(w way, capacity int, seed maphash.Seed) *shadow {
	s := &shadow{held: map[uint64]*entry.Meta{}}
	s.init(w.String(), capacity, s)
	s.seed = seed
	s.time.most = mostReadsMarked
	s.frequency = w == byFrequency
	switch w {
	case byFrequency:
		s.protects = mostProtected
	case byRecency:
		s.extra = 1
	}
	return s
}

// request tells whether a key is held. If it is not, it is taken in.
func (s *shadow) request(hash uint64, weight int) (hit bool) {
	if e := s.held[hash]; e != nil {
		s.Mark(e)
		return true
	}
	e := s.spare
	if s.spare = nil; e == nil {
		e = new(entry.Meta)
	}
	s.held[hash] = e
	s.MarkWeighed(hash, e, nil, weight)
	for {
		victim, ok := s.NextToRelease()
		if !ok {
			return false
		}
		s.spare = s.held[victim]
		delete(s.held, victim)
	}
}

func (s *shadow) release(hash uint64) {
	s.MarkReleased(hash, s.held[hash])
	delete(s.held, hash)
}
