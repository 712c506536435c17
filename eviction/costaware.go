package eviction

import (
	"sync"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// CostAware makes the time least that callers wait for loads: it weighs how long
// the load of a key takes, how often the key is asked for and how much it weighs.
// It has to be told what loads take ([Coster]). Where all take the same and weigh
// the same, callers wait about as long as with [LIRS] or [TinyLFU].
//
// What an entry is worth to callers is what its load took, divided by its weight
// and by how long it was not used. New keys come into a window, as in TinyLFU.
// What leaves it enters the main part only if it is worth more than what is worth
// least there, by price and by how often each was used; a key that comes back
// enters it at once if, at its price, it was away for a shorter time than that
// entry has been idle, as in LIRS. The main part is a row for each price, to a
// power of two, as in CAMP (Ghandeharizadeh and others, Middleware 2014), so that
// only the first of each row has to be compared. It ages by time instead of by the
// inflation of GreedyDual (Young, Algorithmica 1994) and GDSF (Cherkasova, 1998).
//
// Loads of one key take now longer and now shorter: three quarters of what is
// noted is what was noted before, while the key is held. Less than 10 µs count as
// 10 µs, and no load as more than a thousand times the usual one. An entry that
// no load has brought counts as a usual load.
//
// A read costs what it costs with TinyLFU; to name a key takes a look at the first
// of each row, of which there are at most 64. A key costs its own size and 41
// bytes. An entry that is heavier than the window is kept only where there is room
// or where it is worth more than what has to go for it.
func CostAware[K comparable](capacity int) Strategy[K] {
	s := new(costAware[K])
	s.init("CostAware", capacity, s, s)
	s.time.most, s.limit = mostReadsMarked, mostWhen/2 // a dear key may be idle until the history's time comes around
	return s
}

type costAware[K comparable] struct {
	windowFront[K]
	telling sync.Mutex // comes before the lock of bounded
	took    time.Duration
	costs   costs
	shelf   shelf // is the main part: what is worth least of it goes next
}

// untold stands for how long a load took that nobody told of.
const untold time.Duration = -1

func (s *costAware[K]) MarkWritten(key K, e, old *entry.Meta) {
	s.MarkLoaded(key, e, old, 1, untold)
}

func (s *costAware[K]) MarkWeighed(key K, e, old *entry.Meta, weight int) {
	s.MarkLoaded(key, e, old, weight, untold)
}

func (s *costAware[K]) MarkLoaded(key K, e, old *entry.Meta, weight int, took time.Duration) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.took = took
	s.windowFront.MarkWeighed(key, e, old, weight)
}

// rowOf is by the entry's note: the window's or, from 1 on, the one of a price.
func (s *costAware[K]) rowOf(place uint32) *row {
	if in := s.note(place).in; in != inWindow {
		return &s.shelf.rows[in-1]
	}
	return &s.window
}

func (s *costAware[K]) drop(place uint32) {
	s.keys.unlink(s.rowOf(place), place)
	s.shelf.settle(s.note(place).in)
}

// enterMain puts a place that is in no row at the end of that of its price.
func (s *costAware[K]) enterMain(place uint32) {
	in := 1 + rowOfPrice(s.price(place))
	s.note(place).in = in
	s.keys.append(s.rowOf(place), place)
	s.shelf.settle(in)
}

func (s *costAware[K]) promote(place uint32) {
	s.drop(place)
	s.enterMain(place)
}

// price is how long callers wait for what a place holds, for each unit of weight.
func (s *costAware[K]) price(place uint32) float64 {
	return s.costs.of(place) / float64(s.keys.weightOf(place))
}

func (s *costAware[K]) add(place uint32, e *entry.Meta) {
	s.looks = 0
	n := s.enter(place, e)
	s.costs.begin(place, s.took)
	s.time.pass(s.keys.weightOf(place), s.capacity, windowedTicks)
	n.used = s.time.now.Load()
	away, count, known := s.gone.recall(s.hash(place), n.used)
	n.count = min(mostCount, count+1)
	if known && s.cameBack(place, away) {
		s.enterMain(place)
		return
	}
	n.in = inWindow
	s.enterWindow(place)
	s.settle()
}

// renew notes what the new load took, which may be another row's price.
func (s *costAware[K]) renew(place uint32, e *entry.Meta) {
	s.windowFront.renew(place, e)
	s.costs.blend(place, s.took)
	if in := s.note(place).in; in != inWindow && in != 1+rowOfPrice(s.price(place)) {
		s.promote(place)
	}
}

func (s *costAware[K]) clear() {
	s.windowFront.clear()
	s.shelf = shelf{}
}
