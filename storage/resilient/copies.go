package resilient

import (
	"container/list"
	"fmt"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// copies is what is kept of records that were seen, or seen to be missing. It is
// used with the Store's lock held.
type copies struct {
	most, mostBytes int

	byKey map[string]*list.Element // of *copied
	order list.List                // what was used last in front
	bytes int
}

// copied is a record as it was seen. It is never changed, but for what is known of its
// being current: another takes its place.
type copied struct {
	key      string
	value    []byte
	found    bool
	end      time.Time // zero where there is none
	is       []string  // the versions that it may be: more than one where an answer was lost
	trusted  uint64    // the Store.trust under which it is known to be current, or 0
	since    time.Time // when it was known to be that last
	own      bool      // this Store was the last to change it, for all that it knows
	made     bool      // this Store has made it, whoever was the last to change it
	state    string    // the Store.state in which a watch has told that it was so; "" where that is not known
	replaced []string  // versions whose place it took, the last ones, where it is its own
}

// copyCost is about what a copy takes besides key and value, and each of its versions.
const (
	copyCost    = 200
	versionCost = 50
)

func (c *copied) cost() int { return copyCost + len(c.key) + len(c.value) + versionCost*len(c.is) }

func (c *copied) over(now time.Time) bool { return !c.end.IsZero() && !now.Before(c.end) }

// record is what it is now. The value is not the reader's.
func (c *copied) record(now time.Time) storage.Record {
	return recordOf(c.value, c.found, c.end, now)
}

// recordOf is a record that ends then.
func recordOf(value []byte, found bool, end, now time.Time) storage.Record {
	switch {
	case !found:
		return storage.Record{}
	case end.IsZero():
		return storage.Record{Value: value, Left: storage.Forever, Found: true}
	case !now.Before(end):
		return storage.Record{}
	}
	return storage.Record{Value: value, Left: end.Sub(now), Found: true}
}

// endOf is when a record is over that is kept so long.
func endOf(keep time.Duration, now time.Time) time.Time {
	if keep == storage.Forever {
		return time.Time{}
	}
	return now.Add(keep)
}

// versions is what the key's record may be in the store if nobody else has changed
// it: nothing, where it was never seen. One whose time is over may be there still,
// for the store has a clock of its own.
func (c *copied) versions(now time.Time) []string {
	switch {
	case c == nil:
		return []string{""}
	case c.over(now):
		return append(slices.Clone(c.is), "")
	}
	return slices.Clone(c.is)
}

// version is the one that the record has, if it is known.
func (c *copied) version(now time.Time) (string, bool) {
	if c == nil || c.over(now) || len(c.is) != 1 {
		return "", false
	}
	return c.is[0], true
}

// get is the key's copy, or nil.
func (c *copies) get(key string) *copied {
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*copied)
}

// put tells of each that it has forgotten for want of room.
func (c *copies) put(one *copied, forgot func(*copied)) {
	c.drop(one.key)
	if one.cost() > c.mostBytes {
		forgot(one)
		return
	}
	if c.byKey == nil {
		c.byKey = map[string]*list.Element{}
	}
	c.byKey[one.key] = c.order.PushFront(one)
	c.bytes += one.cost()
	for len(c.byKey) > c.most || c.bytes > c.mostBytes {
		last := c.order.Back().Value.(*copied)
		c.drop(last.key)
		forgot(last)
	}
}

// putCopy keeps a copy, in place of what was used least lately where there is no room.
// That is told when it has happened once, twice, four times and so on.
func (s *Store) putCopy(one *copied) { s.copies.put(one, s.forgets) }

func (s *Store) forgets(c *copied) {
	s.counts.forgotten++
	if c.own && s.writesOn != nil && s.wants(c.key) {
		s.beyond++
	}
	if n := s.counts.forgotten; !s.blind && n&(n-1) == 0 {
		s.tell(Event{Kind: Forgot, Key: c.key, Forgotten: int(n), Err: fmt.Errorf("%w: there is room for %d records, %d bytes", errForgot, s.copies.most, s.copies.mostBytes)})
	}
}

func (c *copies) drop(key string) {
	e := c.byKey[key]
	if e == nil {
		return
	}
	c.bytes -= c.order.Remove(e).(*copied).cost()
	delete(c.byKey, key)
}
