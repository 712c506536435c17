package eviction

import (
	"fmt"

	"github.com/perennial-go/perennial/entry"
)

// Adaptive finds out from the traffic which of three ways to choose fits it best,
// and goes by that one until another does better:
//
//   - how soon they come back, as [LIRS]: where what is popular changes;
//   - how often keys are used, as [TinyLFU]: where some are popular for long;
//   - when they were used last, as [LeastRecentlyUsed]: where what was asked for
//     just now is asked for again, and soon never more.
//
// It starts as LIRS. Of the keys it follows a sample, chosen by their hashes,
// through three caches as small as the sample that hold no values, one for each
// way (miniature simulation: Waldspurger and others, USENIX ATC 2017). What they
// hit lately decides. The three ways are settings of the same rows, so nothing
// that is held is dropped or sorted anew for a change: the rows take their new
// sizes as keys come in.
//
// It is the one to take where the traffic is not known, or does not stay the same:
// then it is near the best of the others, which one alone is not. Where the
// traffic is known to suit one of them, that one is a little better, and a miss
// costs less time. A hit costs what TinyLFU's does, and a key too; the sample costs
// 200 kB at most in a cache of up to 130,000 entries, and less than two bytes for
// each in a larger one. The choice is the same for the same calls and the same
// hashes. There are no goroutines.
func Adaptive[K comparable](capacity int) Strategy[K] {
	s := new(adaptive[K])
	s.init("Adaptive", capacity, s)
	s.time.most = mostReadsMarked
	return s
}

type adaptive[K comparable] struct {
	segmented[K]
	way      way
	sample   sample
	reads    reads  // of keys in the sample
	sampled  int    // the capacity when the sample was begun
	untagged uint32 // up to this place, entries may not know that they are in the sample
}

// way is one to choose what goes.
type way int

const (
	byInterval way = iota // at first
	byFrequency
	byRecency
	ways
)

func (w way) String() string { return [...]string{"interval", "frequency", "recency"}[w] }

const (
	// inSample is set in the place that an entry knows where its reads are
	// reported.
	inSample = 1 << 31
	// changesAtOnce is how many entries change rows or are told something with
	// each key that comes in, after a change.
	changesAtOnce = 16
)

func (s *adaptive[K]) Mark(e *entry.Meta) {
	mark := e.Mark()
	was := mark.Load()
	is := s.time.now.Load()*readsMarked + min(was%readsMarked+1, mostReadsMarked)
	if is == was {
		return
	}
	mark.Store(is)
	if place := e.Place(); place >= inSample {
		s.reads.report(place &^ inSample)
	}
}

func (s *adaptive[K]) add(place uint32, e *entry.Meta) {
	if s.sample.shadows[0] == nil {
		s.sampled = s.capacity
		s.sample.begin(s.way, s.capacity, s.seed)
	}
	s.reads.take(s.wasReported)
	s.request(place)
	if w := s.sample.decide(); w != s.way {
		s.follow(w)
	}
	s.change()
	s.segmented.add(place, e)
	s.tag(place)
}

func (s *adaptive[K]) renew(place uint32, e *entry.Meta) {
	s.segmented.renew(place, e)
	s.tag(place)
}

// request tells the shadows of a request for the key of a place.
func (s *adaptive[K]) request(place uint32) {
	if hash := s.hash(place); s.sample.has(hash) {
		s.sample.request(hash, s.keys.weightOf(place), s.keys.count)
	}
}

// wasReported is told of a place whose entry was read. The key that was there may
// have gone since.
func (s *adaptive[K]) wasReported(place uint32) bool {
	if s.keys.inUse(place) {
		s.request(place)
	}
	return true
}

// tag lets the entry of a place know whether its key is in the sample.
func (s *adaptive[K]) tag(place uint32) {
	known := place
	if s.sample.has(s.hash(place)) {
		known |= inSample
	}
	s.note(place).entry.SetPlace(known)
}

// follow goes another way from now on.
func (s *adaptive[K]) follow(w way) {
	switch byRecency {
	case s.way:
		s.share = s.sample.shadows[w].share
		s.extra = 1 - s.share
	case w:
		s.extra = 1
	}
	s.way, s.frequency = w, w == byFrequency
}

// change brings what is not yet as it should be a little nearer to it.
func (s *adaptive[K]) change() {
	little := changesAtOnce / float64(max(1, s.capacity)) * float64(s.keys.weight) / float64(s.keys.count)
	if s.extra < 1 {
		s.extra = max(0, s.extra-little)
	}
	if s.frequency {
		s.protects = mostProtected
	} else {
		s.protects = max(0, s.protects-little)
	}
	for range changesAtOnce {
		if s.untagged == 0 {
			return
		}
		// One that is being added has no entry yet, and is told when it has.
		if s.keys.inUse(s.untagged) && s.note(s.untagged).entry != nil {
			s.tag(s.untagged)
		}
		s.untagged--
	}
}

// SetCapacity begins another sample where the present one would become too small.
func (s *adaptive[K]) SetCapacity(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resize(capacity)
	if s.sample.shadows[0] == nil {
		return
	}
	if s.sample.zeros > 0 && s.capacity < s.sampled/2 {
		s.sampled = s.capacity
		s.sample.begin(s.way, s.capacity, s.seed)
		s.untagged = s.keys.used
		return
	}
	s.sample.resize(s.capacity)
}

func (s *adaptive[K]) clear() {
	s.segmented.clear()
	s.sample, s.untagged = sample{}, 0
}

// String names it, and the way that it goes now.
func (s *adaptive[K]) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("Adaptive[capacity %d, by %s]", s.given, s.way)
}
