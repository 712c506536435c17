package memoize

import (
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// Stats is a snapshot of a function's counters. Every call is counted once:
//
//	Calls = Fresh + Stale + Loaded + Joined + Negative + Rescued + Failed + Left
//
// The counters are read one after the other while calls go on, so the parts of
// one snapshot may differ by what happened meanwhile. A call for many keys
// counts as one call a key.
type Stats struct {
	Calls    uint64 // the sum of the next eight
	Fresh    uint64 // answered at once with a fresh value
	Stale    uint64 // answered at once with a stale value
	Loaded   uint64 // waited for a load of its own, or went to the source directly
	Joined   uint64 // waited for a load that another call had started
	Negative uint64 // got an error that is an answer: see config.Remember
	Rescued  uint64 // got a value that has expired, for its load failed: see config.StaleIfError
	Failed   uint64 // got an error
	Left     uint64 // left because its own context ended

	Loads       uint64 // runs of the source that began
	Refreshes   uint64 // those of them in the background
	LoadsFailed uint64 // keys whose run ended with an error, in time
	Late        uint64 // keys whose run the method timeout superseded
	Refused     uint64 // keys whose run the function's guard did not let begin

	// ByCause has the five counters above apart by why the load ran, at the index
	// of observe.Miss, Refresh, Forced, Direct and Warm; the first is never used.
	ByCause [observe.Causes]CauseStats

	// LoadTimes says how long the runs of the source took, from its call to its
	// return, late and failed ones among them.
	LoadTimes Durations

	Runaways      uint64 // loads that did not begin because superseded ones that still run fill their limit
	QueueTimeouts uint64 // loads that did not begin because they waited too long for one of MaxLoads
	Invalidations uint64 // keys that were invalidated, and storages that were cleared, one each
	Fenced        uint64 // results not stored, for an invalidation or a Set
	Superseded    uint64 // late results not stored, for something newer
	Shed          uint64 // refreshes not started, for their limit
	Delayed       uint64 // refreshes that failed, whose next try was delayed
	Evicted       uint64 // entries released for the eviction strategy
	Expired       uint64 // entries released because they had expired
	StoreFaults   uint64 // operations of the storage that failed, or took too long
	StoreSpared   uint64 // operations that were not made, for nothing of the store succeeded
	Panics        uint64 // panics of user code
	Unasked       uint64 // values dropped that a source of many keys was not asked for

	Guard     string // the name of the guard before the source, empty without one
	StoreDown bool   // nothing of the store succeeds: it is asked once a second only

	LoadsRunning      int // loads that run now, late ones left out; one that ends counts until a moment after its callers have their answer
	RefreshesRunning  int // those of them in the background
	SupersededRunning int // fenced or late loads that still run
	Entries           int // entries in the storage, -1 where it can't count
	Weight            int // what the entries weigh together, their count without config.Weigh; -1 where the strategy can't tell
	Capacity          int // what they may weigh together, -1 where there is no bound

	// Limits in force.
	MethodTimeout time.Duration
	MaxLoads      int // -1 with a guard, which bounds the loads of all its functions together
	MaxBackground int
	MaxRunaway    int

	// StoreReads and StoreWrites say how often a storage that is not in memory was
	// asked and how long that took callers and loads, failed operations among them.
	// An operation for many keys counts once. A claim is a read, a fill and a release
	// are writes.
	StoreReads, StoreWrites Durations

	// Ages counts the values that were served without waiting by their age:
	// Ages[0] those under a microsecond, Ages[i] those under 2^i microseconds
	// and not under half of that, the last all that are older.
	Ages [AgeBuckets]uint64
}

// CauseStats counts the loads of one cause.
type CauseStats struct {
	Loads   uint64 // runs of the source that began
	Failed  uint64 // keys whose run ended with an error, in time
	Late    uint64 // keys whose run the method timeout superseded
	Refused uint64 // keys whose run the function's guard did not let begin
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
	remembered // with an error that is an answer
	rescued
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

	causes [observe.Causes]struct{ loads, failed, late, refused atomic.Uint64 }

	fenced, superseded, shed, delayed, evicted, expired, storeFaults, panics, unasked,
	runaways, queueTimeouts, invalidations, storeSpared atomic.Uint64

	loadTimes, storeReads, storeWrites durations
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
		s.Negative += st.outcomes[remembered].Load()
		s.Rescued += st.outcomes[rescued].Load()
		s.Failed += st.outcomes[failed].Load()
		s.Left += st.outcomes[left].Load()
	}
	s.Calls = s.Fresh + s.Stale + s.Loaded + s.Joined + s.Negative + s.Rescued + s.Failed + s.Left
	for i := range c.causes {
		cause := &c.causes[i]
		by := CauseStats{Loads: cause.loads.Load(), Failed: cause.failed.Load(), Late: cause.late.Load(), Refused: cause.refused.Load()}
		s.ByCause[i] = by
		s.Loads += by.Loads
		s.LoadsFailed += by.Failed
		s.Late += by.Late
		s.Refused += by.Refused
	}
	s.Refreshes = s.ByCause[observe.Refresh].Loads
	s.Fenced, s.Superseded = c.fenced.Load(), c.superseded.Load()
	s.Shed, s.Delayed = c.shed.Load(), c.delayed.Load()
	s.Evicted, s.Expired = c.evicted.Load(), c.expired.Load()
	s.StoreFaults, s.Panics, s.Unasked = c.storeFaults.Load(), c.panics.Load(), c.unasked.Load()
	s.Runaways, s.QueueTimeouts, s.Invalidations = c.runaways.Load(), c.queueTimeouts.Load(), c.invalidations.Load()
	s.StoreSpared = c.storeSpared.Load()
	s.LoadTimes, s.StoreReads, s.StoreWrites = c.loadTimes.snapshot(), c.storeReads.snapshot(), c.storeWrites.snapshot()
	return s
}
