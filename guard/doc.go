// Package guard keeps a source from being overloaded.
//
// With a cache that works, the source may be small. When the cache is empty, the source is
// too small: loads take longer than callers wait, their results come too late, and the
// next calls start the loads again. That does not end by itself (a metastable failure:
// Bronson and others, HotOS 2021; Huang and others, OSDI 2022). A guard limits the loads
// of a source to what the source bears, lets the most important ones in first, and refuses
// at once those that nobody can wait for, so that the overload ends:
//
//	orders, err := guard.New("orders-db")
//	users, err := memoize.New(db.LoadUser, config.Guard(orders))
//	items, err := memoize.New(db.LoadItem, config.Guard(orders))
//
// One guard serves all functions that ask one source. A fresh hit never asks it.
//
// # What it does
//
// The limit. As many loads run at once as the source works on, and a quarter more. The
// guard finds that out by Little's law, from how long loads take while many and while few
// are in flight. If half of the loads fail or are given up at their time limit, the limit
// falls. A load that was given up counts until the source has returned.
//
// Classes. Loads that a caller waits for without an older value come first (Miss), then
// those that a caller has forced (Forced), those whose callers can be given an older value
// (Rescuable), refreshes that nobody waits for (Refresh), and warm-up (Warm). The last
// three may use a share of the limit: 80, 60 and 40 %. So warm-up and refreshes are the
// first that are not made.
//
// The queue. Loads of the first two classes wait until they may run, first come first
// served, as long as one of their callers still has time for a typical load, and at most
// for a second or two typical loads, whichever is more. A load that can't begin in time is
// refused at once. Its callers are given an older value if there is one
// (config.StaleIfError), or an error that matches ErrOverloaded and says when to try
// again.
//
// The breaker. If nothing succeeds any more, only one load a second is let in, the probe.
// When a probe succeeds, the limit starts at one load and doubles while that goes well.
//
// A guard has no goroutine and need not be closed.
package guard
