package memoize

import (
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/perennial-go/perennial/entry"
)

// Stats is a snapshot of a function's counters. Every call is counted once:
//
//	Calls = Fresh + Stale + Loaded + Joined + Failed + Left
//
// The counters are read one after the other while calls go on, so the parts of
// one snapshot may differ by what happened meanwhile. A call for many keys
// counts as one call a key.
type Stats struct {
	Calls  uint64 // the sum of the next six
	Fresh  uint64 // answered at once with a fresh value
	Stale  uint64 // answered at once with a stale value
	Loaded uint64 // waited for a load of its own, or went to the source directly
	Joined uint64 // waited for a load that another call had started
	Failed uint64 // got an error
	Left   uint64 // left because its own context ended

	Loads       uint64 // runs of the source that began
	Refreshes   uint64 // those of them in the background
	LoadsFailed uint64 // keys whose run ended with an error, in time
	Late        uint64 // keys whose run the method timeout superseded
	Fenced      uint64 // results not stored, for an invalidation or a Set
	Superseded  uint64 // late results not stored, for something newer
	Shed        uint64 // refreshes not started, for their limit
	Delayed     uint64 // refreshes that failed, whose next try was delayed
	Evicted     uint64 // entries released for the eviction strategy
	Expired     uint64 // entries released because they had expired
	StoreFaults uint64 // operations of the storage that failed
	Panics      uint64 // panics of user code
	Unasked     uint64 // values dropped that a source of many keys was not asked for

	LoadsRunning      int // loads that run now, late ones left out
	RefreshesRunning  int // those of them in the background
	SupersededRunning int // fenced or late loads that still run
	Entries           int // entries in the storage, -1 where it can't count

	// Ages counts the values that were served without waiting by their age:
	// Ages[0] those under a microsecond, Ages[i] those under 2^i microseconds
	// and not under half of that, the last all that are older.
	Ages [AgeBuckets]uint64
}

// AgeBuckets is how many ranges of age Stats tells apart, the last of which
// begins at 2^40 microseconds, or 12 days.
const AgeBuckets = 42

// AgeBound is the age below which the values of Ages[i] are; the last has no
// bound and gives the longest duration.
func AgeBound(i int) time.Duration {
	if i >= AgeBuckets-1 {
		return 1<<63 - 1
	}
	return time.Microsecond << i
}

func ageBucket(age time.Duration) int {
	return min(bits.Len64(uint64(age/time.Microsecond)), AgeBuckets-1)
}

// outcome is how a call ended.
type outcome uint8

const (
	loaded outcome = iota
	joined
	failed
	left
	outcomes
)

// stripeCount is how many copies of the hit counters there are. Calls on
// different goroutines mostly write to different ones.
const stripeCount = 16

// stripe counts hits. A hit costs one atomic addition: the counter says whether
// it was fresh and how old at once.
type stripe struct {
	hits     [2][AgeBuckets]atomic.Uint64 // fresh and stale, by age
	outcomes [outcomes]atomic.Uint64
	_        [128]byte
}

// counters are what Stats is made of.
type counters struct {
	stripes [stripeCount]stripe

	loads, refreshes, loadsFailed, late, fenced, superseded, shed, delayed,
	evicted, expired, storeFaults, panics, unasked atomic.Uint64
}

// stripe chooses by the address of the caller's stack, which differs between
// goroutines and costs nothing to find out.
func (c *counters) stripe() *stripe {
	var here byte
	at := uintptr(unsafe.Pointer(&here))
	return &c.stripes[(at>>10^at>>15)%stripeCount]
}

func (c *counters) hit(state entry.State, age time.Duration) {
	i := 0
	if state == entry.Stale {
		i = 1
	}
	c.stripe().hits[i][ageBucket(age)].Add(1)
}

func (c *counters) end(o outcome) { c.stripe().outcomes[o].Add(1) }

func (c *counters) snapshot() Stats {
	var s Stats
	for i := range c.stripes {
		st := &c.stripes[i]
		for b := range AgeBuckets {
			fresh, stale := st.hits[0][b].Load(), st.hits[1][b].Load()
			s.Fresh += fresh
			s.Stale += stale
			s.Ages[b] += fresh + stale
		}
		s.Loaded += st.outcomes[loaded].Load()
		s.Joined += st.outcomes[joined].Load()
		s.Failed += st.outcomes[failed].Load()
		s.Left += st.outcomes[left].Load()
	}
	s.Calls = s.Fresh + s.Stale + s.Loaded + s.Joined + s.Failed + s.Left
	s.Loads, s.Refreshes, s.LoadsFailed = c.loads.Load(), c.refreshes.Load(), c.loadsFailed.Load()
	s.Late, s.Fenced, s.Superseded = c.late.Load(), c.fenced.Load(), c.superseded.Load()
	s.Shed, s.Delayed = c.shed.Load(), c.delayed.Load()
	s.Evicted, s.Expired = c.evicted.Load(), c.expired.Load()
	s.StoreFaults, s.Panics, s.Unasked = c.storeFaults.Load(), c.panics.Load(), c.unasked.Load()
	return s
}
