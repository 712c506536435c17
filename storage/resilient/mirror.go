package resilient

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// mirror is what a Store knows of the records in the backend: copies of what it has
// seen, and what the watches say of their being current. Guarded by core.mu.
type mirror struct {
	*config
	events        *eventQueue
	copies        copies
	watches       watches
	epochs        epochs
	inFlight      map[string]*inFlight // the change of each key that is sent and not answered
	dataID        string               // identifies the data of the backend: see storage.StatefulBytes
	unconfirmed   bool                 // some own copy is to be looked at again
	tellForgotten bool
}

func newMirror(cfg *config, events *eventQueue) mirror {
	return mirror{
		config: cfg, events: events,
		copies:   copies{limits: cfg.copyLimits},
		watches:  watches{running: map[*watch]struct{}{}, wanted: map[string]int{}, generation: 1},
		epochs:   epochs{seed: maphash.MakeSeed()},
		inFlight: map[string]*inFlight{},
	}
}

// epochs counts changes of records, by a hash of the key.
type epochs struct {
	seed     maphash.Seed
	own      [256]uint64 // changes by this Store
	notified [256]uint64 // changes that watches were told of
}

func (e *epochs) slot(key string) int {
	return int(maphash.String(e.seed, key) % uint64(len(e.own)))
}

// changed counts a change by this Store.
func (e *epochs) changed(key string) { e.own[e.slot(key)]++ }

// mark is a point in the changes of a record. What was looked at is out of date if the
// mark has moved since.
type mark struct{ own, notified, watches uint64 }

func (m *mirror) mark(key string) mark {
	slot := m.epochs.slot(key)
	return mark{m.epochs.own[slot], m.epochs.notified[slot], m.watches.generation}
}

// current reports whether the key's copy is known to be what the store has.
func (m *mirror) current(key string) bool {
	if !m.watches.watched(key) {
		return false
	}
	c := m.copies.get(key)
	return c != nil && c.current == m.watches.generation && len(c.versions) == 1 && m.clock.Since(c.since) < RecheckAfter
}

// put keeps a copy. If there is no room, it forgets the least recently used ones.
func (m *mirror) put(one *recordCopy) { m.copies.put(one, m.forgot) }

// forgot notes that a copy was forgotten, and reports the 1st, 2nd, 4th and so on.
func (m *mirror) forgot(c *recordCopy) {
	m.copies.forgotten++
	if c.own && m.watches.wants(c.key) {
		m.copies.ownForgotten++
	}
	if n := m.copies.forgotten; m.tellForgotten && n&(n-1) == 0 {
		m.events.add(Event{Kind: Forgot, Key: c.key, Forgotten: int(n), Err: fmt.Errorf("%w: there is room for %d records, %d bytes", errForgot, m.copies.count, m.copies.size)})
	}
}

// copyFound returns a copy of what was found. If it is still the version before, it
// keeps what is known of that.
func (m *mirror) copyFound(found storage.Versioned, key string, before *recordCopy) *recordCopy {
	c := &recordCopy{key: key, value: bytes.Clone(found.Value), found: found.Found, versions: []string{found.Version}}
	if found.Found && found.Left > 0 { // else the store can't tell
		c.end = endOf(found.Left, m.clock.Now())
	}
	if m.watches.watched(key) {
		c.current, c.since = m.watches.generation, m.clock.Now()
	}
	if before.is(found.Version) {
		c.own, c.made, c.replaced = before.own, before.made, before.replaced
		if c.current != 0 {
			c.dataID = m.dataID
		}
	}
	return c
}

// committed keeps and returns a copy of a change that the store has acknowledged. The
// copy is current if nothing else came after the change. If the change was sent before,
// it may have been made long ago, so silence of the watches proves nothing. Again is
// what was to be written again, if anything: the change replaces it.
func (m *mirror) committed(c storage.Change, end time.Time, f *inFlight, sentBefore bool, again *rewrite) *recordCopy {
	mine := &recordCopy{key: c.Key, value: c.Value, found: c.Keep > 0, end: end, versions: []string{f.version}, own: !f.seen || f.last == f.version, made: c.Keep > 0}
	if !mine.found {
		mine.end = time.Time{}
	}
	before := m.copies.get(c.Key)
	if again != nil {
		before = again.recordCopy
	}
	if before != nil && before.own {
		mine.replaced = before.replaced
		if again != nil && again.versions[0] != f.version {
			mine.replaced = withVersion(mine.replaced, again.versions[0])
		}
	}
	mine.replaced = withVersion(mine.replaced, c.Was)
	seenLast := f.notified && f.last == f.version
	if f.watches == m.watches.generation && m.watches.watched(c.Key) && (seenLast || !f.notified && !sentBefore) {
		mine.current, mine.since = m.watches.generation, m.clock.Now()
	}
	if seenLast {
		mine.dataID = m.dataID
	}
	m.unconfirmed = m.unconfirmed || mine.current == 0
	m.epochs.changed(c.Key)
	m.put(mine)
	return mine
}

// committedLater is committed for a change that has waited. A change that was sent
// before, or that writes a record again under the version that it had, may have been
// made long ago: then something else may have come after it, and been seen.
func (m *mirror) committedLater(sent *attempt, f *inFlight, sentBefore bool, again *rewrite) {
	sentBefore = sentBefore || again != nil && again.versions[0] == f.version
	c := m.copies.get(sent.change.Key)
	if sentBefore && c != nil && !slices.Contains(c.versions, sent.change.Was) && !c.is(f.version) && (again == nil || !slices.Equal(c.versions, again.versions)) {
		m.epochs.changed(sent.change.Key)
		m.unconfirmed = true
		return
	}
	m.committed(sent.change, sent.end, f, sentBefore, again)
}

// doubt notes that a change may have been made.
func (m *mirror) doubt(c storage.Change) {
	m.epochs.changed(c.Key)
	old := m.copies.get(c.Key)
	if old == nil {
		return
	}
	versions := append(old.possible(m.clock.Now()), versionAfter(c))
	if len(versions) > maxVersions {
		m.copies.drop(c.Key)
		return
	}
	m.put(&recordCopy{key: old.key, value: old.value, found: old.found, end: old.end, versions: versions})
}

// maxVersions is how many changes may be in doubt until the copy is forgotten.
const maxVersions = 8

// withVersion returns the last versions and one more, unless that is empty.
func withVersion(last []string, one string) []string {
	if one == "" {
		return last
	}
	last = last[max(0, len(last)-maxVersions+1):]
	return append(last[:len(last):len(last)], one)
}

// versionAfter returns the version of the record after the change.
func versionAfter(c storage.Change) string {
	if c.Keep <= 0 {
		return ""
	}
	return c.Becomes
}

// notified notes what a watch is told. It reports whether the caller of Watch is to be
// told, and returns the own copy that another process has replaced, if any, with what
// the copy had replaced.
func (m *mirror) notified(w *watch, c storage.Changed) (tell bool, undone *recordCopy) {
	if _, runs := m.watches.running[w]; !runs {
		return false, nil
	}
	if c.Lost || c.Missed {
		m.watches.generation++
		w.sees = !c.Lost // until then no copy is current; the watch itself says when it sees again
		return !c.Lost, nil
	}
	m.epochs.notified[m.epochs.slot(c.Key)]++
	f := m.inFlight[c.Key]
	if f != nil {
		f.notified, f.last = true, c.Version
		f.seen = f.seen || c.Version == f.version
	}
	switch one := m.copies.get(c.Key); {
	case one == nil:
	case one.is(c.Version): // what comes after it is told later
		one.current, one.dataID, one.since = m.watches.generation, m.dataID, m.clock.Now()
		one.own = one.own || one.made // what was told before came before
	default:
		one.current = 0
		switch {
		case slices.Contains(one.replaced, c.Version):
			return true, one
		case f == nil || c.Version != f.version:
			one.own = false
		}
	}
	return true, nil
}
