package eviction

import (
	"hash/maphash"

	"github.com/perennial-go/perennial/entry"
)

// marking is a bounded whose policy learns of reads through the mark words of
// the entries. A read leaves a mark there without a lock; the policy looks at it
// when the entry's turn comes, and takes it away.
type marking[K comparable] struct {
	bounded[K, note]
	seed  maphash.Seed
	looks int // at entries that were spared, for this victim
}

// note is what a marking policy keeps of each key.
type note struct {
	entry *entry.Meta
	used  uint32 // a time or a count, the policy's
	in    uint8  // which of its rows
	count uint8
}

// mostLooks bounds what one write may wait for where nearly every entry was read
// since it was looked at last: from then on entries go whether they were or not.
const mostLooks = 1024

func (s *marking[K]) init(name string, capacity int, p policy) {
	s.bounded.init(name, capacity, p)
	s.seed = maphash.MakeSeed()
}

func (s *marking[K]) hash(place uint32) uint64 {
	return maphash.Comparable(s.seed, s.keys.at(place).key)
}

func (s *marking[K]) note(place uint32) *note { return &s.keys.at(place).note }

// enter notes the entry of a new place. What its mark says is of another
// strategy, or of a read that came before the strategy knew of the entry.
func (s *marking[K]) enter(place uint32, e *entry.Meta) *note {
	if mark := e.Mark(); mark.Load() != 0 {
		mark.Store(0)
	}
	n := s.note(place)
	n.entry = e
	return n
}

// renew hands the mark on to the entry that replaces one.
func (s *marking[K]) renew(place uint32, e *entry.Meta) {
	n := s.note(place)
	if n.entry == e {
		return
	}
	if mark := n.entry.Mark().Load(); mark != 0 {
		e.Mark().Store(mark)
	}
	n.entry = e
}

// spares tells whether an entry is kept on for what its mark says: it is not
// expired, and not too many were spared before it.
func (s *marking[K]) spares(n *note) bool {
	if s.looks >= mostLooks || s.expired(n.entry) {
		return false
	}
	s.looks++
	return true
}

// takeMark returns the mark of an entry that it spares, and takes it away.
func (s *marking[K]) takeMark(n *note) uint32 {
	mark := n.entry.Mark().Load()
	if mark == 0 || !s.spares(n) {
		return 0
	}
	n.entry.Mark().Store(0)
	return mark
}

// markOnce marks an entry, for policies to which it makes no difference how
// often it was read.
func markOnce(e *entry.Meta) {
	if mark := e.Mark(); mark.Load() == 0 {
		mark.Store(1)
	}
}

// markCount marks an entry with how often it was read, up to most. Of reads at
// the same time one may go uncounted.
func markCount(e *entry.Meta, most uint32) {
	mark := e.Mark()
	if n := mark.Load(); n < most {
		mark.Store(n + 1)
	}
}
