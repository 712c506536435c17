package eviction

import "sync/atomic"

// ticks is a time that passes as entries are written: so many ticks while as
// much is written as there is room for. Readers see it without a lock, so it
// stands on a cache line of its own, which writes to what is around it leave
// alone.
type ticks struct {
	_    [64]byte
	now  atomic.Uint32
	most uint32 // how many reads a mark counts, for readers too
	_    [56]byte
	part int // of a tick has passed
}

// step is how much is written in a tick.
func step(capacity, ticks int) int { return max(1, capacity/ticks) }

// pass lets time pass for what has been written, for a single entry no more than
// for a capacity. Where the capacity has become smaller, what had passed of a
// longer tick is less than one all the same.
func (t *ticks) pass(weight, capacity, ticks int) {
	step := step(capacity, ticks)
	if t.part = min(t.part, step-1) + min(weight, capacity); t.part >= step {
		t.now.Add(uint32(t.part / step))
		t.part %= step
	}
}
