package resilient

import (
	"container/list"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// copies keeps copies of records that were seen, or seen to be missing, and forgets the
// least recently used ones. Guarded by core.mu.
type copies struct {
	limits

	byKey        map[string]*list.Element // of *recordCopy
	order        list.List                // the most recently used in front
	bytes        int
	forgotten    uint64
	ownForgotten int // copies of own records, since the backend lost its data last
}

// recordCopy is a copy of a record, or of there being none. It does not change, but for
// what is known of its being current: another copy takes its place.
type recordCopy struct {
	key      string
	value    []byte
	found    bool
	end      time.Time // zero if it has none
	versions []string  // that the record may have: several if an answer was lost
	current  uint64    // watches.generation in which it is known to be current, or 0
	since    time.Time // when it was last known to be current
	own      bool      // this Store was the last to change the record, as far as it knows
	made     bool      // this Store has made the version, whoever was the last to change it
	dataID   string    // mirror.dataID when a watch told of this version; "" if none has
	replaced []string  // the last versions that it replaced, if it is own
}

// What a copy takes besides key and value, roughly, and each of its versions.
const (
	copyCost    = 200
	versionCost = 50
)

// newCopy returns a copy of a record that is stored now, or deleted.
func newCopy(key string, value []byte, keep time.Duration, now time.Time) *recordCopy {
	c := &recordCopy{key: key, value: value, found: keep > 0}
	if c.found {
		c.end = endOf(keep, now)
	}
	return c
}

func (c *recordCopy) cost() int {
	return copyCost + len(c.key) + len(c.value) + versionCost*len(c.versions)
}

func (c *recordCopy) expired(now time.Time) bool { return !c.end.IsZero() && !now.Before(c.end) }

// record returns the record at this time. Its value is shared.
func (c *recordCopy) record(now time.Time) storage.Record {
	return recordOf(c.value, c.found, c.end, now)
}

// recordOf returns a record that ends then.
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

// endOf returns when a record ends that is kept so long.
func endOf(keep time.Duration, now time.Time) time.Time {
	if keep == storage.Forever {
		return time.Time{}
	}
	return now.Add(keep)
}

// is reports whether the record is known to have this version.
func (c *recordCopy) is(version string) bool {
	return c != nil && len(c.versions) == 1 && c.versions[0] == version
}

// possible returns the versions that the record may have in the store if nobody else
// has changed it: none, "", if it was never seen. A record that has expired here may be
// there still, for the store has a clock of its own.
func (c *recordCopy) possible(now time.Time) []string {
	switch {
	case c == nil:
		return []string{""}
	case c.expired(now):
		return append(slices.Clone(c.versions), "")
	}
	return slices.Clone(c.versions)
}

// version returns the version of the record, if it is known.
func (c *recordCopy) version(now time.Time) (string, bool) {
	if c == nil || c.expired(now) || len(c.versions) != 1 {
		return "", false
	}
	return c.versions[0], true
}

// get returns the key's copy, or nil.
func (c *copies) get(key string) *recordCopy {
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*recordCopy)
}

// put keeps a copy and calls forgot with each one that has no room.
func (c *copies) put(one *recordCopy, forgot func(*recordCopy)) {
	c.drop(one.key)
	if one.cost() > c.size {
		forgot(one)
		return
	}
	if c.byKey == nil {
		c.byKey = map[string]*list.Element{}
	}
	c.byKey[one.key] = c.order.PushFront(one)
	c.bytes += one.cost()
	for len(c.byKey) > c.count || c.bytes > c.size {
		last := c.order.Back().Value.(*recordCopy)
		c.drop(last.key)
		forgot(last)
	}
}

func (c *copies) drop(key string) {
	e := c.byKey[key]
	if e == nil {
		return
	}
	c.bytes -= c.order.Remove(e).(*recordCopy).cost()
	delete(c.byKey, key)
}
