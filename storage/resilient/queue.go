package resilient

import (
	"container/list"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// queue is what waits for the store, in the order in which its keys came. It is
// used with the Store's lock held.
type queue struct {
	most, mostBytes int

	byKey   map[string]*list.Element // of *pending
	order   list.List                // the oldest in front
	changes int
	bytes   int
}

// pending is what waits of a key.
type pending struct {
	key    string
	since  time.Time
	base   []string // what the record may be in the store if nobody else has changed it
	parts  []part   // in their order: one that rewrites, one that sets or deletes, and updates, each where there is one
	result *copied  // what the record is with them
	sent   *attempt // what may have reached the store; nil where nothing has
	round  uint64   // in which it was last tried
	faults int      // that were Unknown
	era    uint64   // of the breaker, at the last of them
	times  uint64   // how often it was replaced
	cost   int
	atOnce int // so many parts are made one change, at most; 0 where there is no limit
}

// part is one change that waits.
type part struct {
	kind  kindOfPart
	value []byte    // of a set
	end   time.Time // of what is set
	apply func(now storage.Record) (value []byte, keep time.Duration, err error)
	size  func() int // of what apply holds; nil where nobody has told
	holds int        // what it has told
	again *rewrite   // of one that rewrites
}

// rewrite is what a part writes again.
type rewrite struct {
	*copied
	takes []string  // the versions whose place it takes
	until time.Time // when it is too late for that; zero where it never is
	then  *attempt  // what is sent again after it, as it was sent before the loss; or nil
}

// kindOfPart says what a part does, so that an empty value deletes nothing.
type kindOfPart uint8

const (
	sets kindOfPart = iota + 1
	deletes
	updates
	rewrites
)

// again is what is written again of the key before all else, or nil.
func (p *pending) again() *rewrite {
	if p == nil || len(p.parts) == 0 {
		return nil
	}
	return p.parts[0].again
}

// attempt is a change that was sent and not answered.
type attempt struct {
	change storage.Change
	end    time.Time // of what it stores
	covers int       // how many of the parts are in it
	again  bool      // it writes again
	based  bool      // pending.base has what it makes, and would not but for it
	first  time.Time // when it was sent first
}

// What a change takes besides keys and values.
const (
	pendingCost = 400
	partCost    = 100
)

func (q *queue) get(key string) *pending {
	if e := q.byKey[key]; e != nil {
		return e.Value.(*pending)
	}
	return nil
}

// has tells whether this, and no later one, waits for its key.
func (q *queue) has(p *pending) bool { return q.get(p.key) == p }

// oldest is what waits for longest, or nil.
func (q *queue) oldest() *pending {
	if e := q.order.Front(); e != nil {
		return e.Value.(*pending)
	}
	return nil
}

func (q *queue) add(p *pending) {
	if q.byKey == nil {
		q.byKey = map[string]*list.Element{}
	}
	q.byKey[p.key] = q.order.PushBack(p)
}

func (q *queue) remove(p *pending) {
	q.setParts(p, nil)
	q.order.Remove(q.byKey[p.key])
	delete(q.byKey, p.key)
	q.bytes -= p.cost
	p.cost = 0
}

// setParts gives a key that waits other parts, and counts them.
func (q *queue) setParts(p *pending, parts []part) {
	q.changes += len(parts) - len(p.parts)
	p.parts = parts
	q.bytes -= p.cost
	p.cost = costOf(p.key, parts, p.result, p.sent)
	q.bytes += p.cost
}

// setSent puts down what is sent, or that nothing is.
func (q *queue) setSent(p *pending, sent *attempt) {
	p.sent = sent
	q.setParts(p, p.parts)
}

// toBack lets the others come first.
func (q *queue) toBack(p *pending) { q.order.MoveToBack(q.byKey[p.key]) }

// costOf is what waits of a key: a value that is there several times counts once.
func costOf(key string, parts []part, result *copied, sent *attempt) int {
	cost := pendingCost + len(key) + partCost*len(parts)
	for _, one := range parts {
		cost += len(one.value) + one.holds
		if one.again != nil && one.again.then != nil {
			cost += len(one.again.then.change.Value)
		}
	}
	var first, last, here []byte
	if len(parts) > 0 {
		first, last = parts[0].value, parts[len(parts)-1].value
	}
	if result != nil {
		here = result.value
	}
	if !sameBytes(here, first) && !sameBytes(here, last) {
		cost += len(here)
	}
	if sent != nil && !sameBytes(sent.change.Value, first) && !sameBytes(sent.change.Value, here) {
		cost += len(sent.change.Value)
	}
	return cost
}

// sameBytes tells whether two values are one in memory.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// fits tells whether a key may have these parts in place of what it has.
func (q *queue) fits(p *pending, key string, parts []part, result *copied, sent *attempt) bool {
	changes, bytes := q.changes+len(parts), q.bytes+costOf(key, parts, result, sent)
	if p != nil {
		changes, bytes = changes-len(p.parts), bytes-p.cost
	}
	return changes <= q.most && bytes <= q.mostBytes
}
