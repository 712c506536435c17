package resilient

import (
	"container/list"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// queue holds the changes that wait for the backend, in the order in which their keys
// came. Guarded by core.mu.
type queue struct {
	limits

	byKey   map[string]*list.Element // of *pending
	order   list.List                // the oldest in front
	changes int
	bytes   int
}

// pending is what waits of a key.
type pending struct {
	key      string
	since    time.Time
	base     []string    // the versions that the record may have in the store if nobody else has changed it
	parts    []part      // in this order, each optional: a rewrite; a set or a deletion; updates
	result   *recordCopy // the record with all parts made
	sent     *attempt    // what may have reached the store, or nil
	round    uint64      // of the delivery that last tried it
	unknown  int         // how many errors were Unknown
	failedIn uint64      // the breaker's generation at the last of them
	revision uint64      // moves when parts are taken away or replaced
	cost     int
	atOnce   int // how many parts are sent as one change at most; 0 is no limit
}

// part is one change that waits.
type part struct {
	kind  partKind
	value []byte    // of a set
	end   time.Time // of a set
	apply func(now storage.Record) (value []byte, keep time.Duration, err error)
	size  func() int // how much apply holds; nil if the caller has not told
	holds int        // what size has returned
	again *rewrite   // of a rewrite
}

// partKind says what a part does, so that an empty value deletes nothing.
type partKind uint8

const (
	sets partKind = iota + 1
	deletes
	updates
	rewrites
)

// newPart returns the part that sets a record, or deletes it.
func newPart(value []byte, keep time.Duration, now time.Time) part {
	if keep <= 0 {
		return part{kind: deletes}
	}
	return part{kind: sets, value: value, end: endOf(keep, now)}
}

// rewrite is a record that is written again.
type rewrite struct {
	*recordCopy
	replaces []string  // the versions that it may replace
	until    time.Time // when it is too late; zero if it never is
	then     *attempt  // sent again after it, as it was sent before the loss; or nil
}

// attempt is a change that was sent and not answered.
type attempt struct {
	change storage.Change
	end    time.Time // of what it stores
	covers int       // how many of the parts are in it
	again  bool      // it is a rewrite
	inBase bool      // pending.base has the version that it makes because of it
	first  time.Time // when it was first sent
}

// What a change takes besides keys and values.
const (
	pendingCost = 400
	partCost    = 100
)

// rewrite returns the rewrite that comes before the other parts of the key, or nil.
func (p *pending) rewrite() *rewrite {
	if p == nil || len(p.parts) == 0 {
		return nil
	}
	return p.parts[0].again
}

// stays returns the parts that remain when one more comes: all for an update, else the
// rewrite, which it was made on.
func (p *pending) stays(one part) []part {
	switch {
	case p == nil:
		return nil
	case one.kind == updates:
		return p.parts
	case p.rewrite() != nil:
		return p.parts[:1:1]
	}
	return nil
}

// removeFromBase takes the version of a change that was not made out of the base.
func (p *pending) removeFromBase(sent *attempt) {
	if sent.inBase {
		version := versionAfter(sent.change)
		p.base = slices.DeleteFunc(slices.Clone(p.base), func(v string) bool { return v == version })
	}
}

// adaptAtOnce sends fewer parts as one change after others were faster, and more after
// they were not: those who change the record often leave time for some.
func (p *pending) adaptAtOnce(sent int, made bool) {
	switch {
	case !made:
		p.atOnce = max(1, sent/2)
	case p.atOnce < len(p.parts):
		p.atOnce *= 2
	default:
		p.atOnce = 0
	}
}

func (q *queue) get(key string) *pending {
	if e := q.byKey[key]; e != nil {
		return e.Value.(*pending)
	}
	return nil
}

// has reports whether p, and no later one, waits for its key.
func (q *queue) has(p *pending) bool { return q.get(p.key) == p }

// oldest returns what has waited longest, or nil.
func (q *queue) oldest() *pending {
	if e := q.order.Front(); e != nil {
		return e.Value.(*pending)
	}
	return nil
}

// untried returns what has waited longest and was not tried in this round, or nil.
func (q *queue) untried(round uint64) *pending {
	for e := q.order.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*pending); p.round != round {
			return p
		}
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

// setParts replaces the parts of a key and accounts for them.
func (q *queue) setParts(p *pending, parts []part) {
	q.changes += len(parts) - len(p.parts)
	p.parts = parts
	q.bytes -= p.cost
	p.cost = costOf(p.key, parts, p.result, p.sent)
	q.bytes += p.cost
}

// setSent notes what is sent of a key, or that nothing is.
func (q *queue) setSent(p *pending, sent *attempt) {
	p.sent = sent
	q.setParts(p, p.parts)
}

func (q *queue) moveToBack(p *pending) { q.order.MoveToBack(q.byKey[p.key]) }

// costOf returns the cost of a key. A value that several of them share counts once.
func costOf(key string, parts []part, result *recordCopy, sent *attempt) int {
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

// sameBytes reports whether two values share their memory.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// fits reports whether a key may have these parts in place of what it has.
func (q *queue) fits(p *pending, key string, parts []part, result *recordCopy, sent *attempt) bool {
	changes, bytes := q.changes+len(parts), q.bytes+costOf(key, parts, result, sent)
	if p != nil {
		changes, bytes = changes-len(p.parts), bytes-p.cost
	}
	return changes <= q.count && bytes <= q.size
}
