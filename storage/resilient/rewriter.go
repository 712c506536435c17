package resilient

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// rewriter finds out that the backend has lost its data, and has the own records, those
// that this process was the last to change, written again. Without WriteAgain it does
// nothing.
type rewriter struct {
	*core
	dataSince time.Time // when the data of the backend began, if some was lost: it does not know changes that were sent before
	lostAt    time.Time // when the loss was found out
}

// errDataLost says that nothing is known of a record: the store has lost its data, and
// what is to be written again is in the outbox.
var errDataLost = errors.New("resilient: the store has lost its data: try again")

// confirm looks again at own records of which changes may have gone unseen. Others are
// looked at when they are read.
func (w *rewriter) confirm(ctx context.Context) {
	const atOnce = 100
	if w.backend.stateful == nil {
		return
	}
	w.lock()
	w.mirror.unconfirmed = false
	generation, began := w.breaker.generation, map[string]mark{}
	for key, e := range w.mirror.copies.byKey {
		if c := e.Value.(*recordCopy); c.own && c.current != w.mirror.watches.generation && w.mirror.watches.watched(key) && w.outbox.get(key) == nil {
			began[key] = w.mirror.mark(key)
		}
	}
	w.unlock()
	for keys := range slices.Chunk(slices.Collect(maps.Keys(began)), atOnce) {
		var found []storage.Versioned
		_, err := w.link.call(ctx, generation, keys[0], func(ctx context.Context) (err error) {
			found, err = w.backend.store.(storage.VersionedBytes).Look(ctx, keys...)
			return err
		})
		if err != nil {
			return // the next Missed confirms them
		}
		w.lock()
		lacks := false
		for i, key := range keys {
			lacks = lacks || w.suspects(key, found[i].Version)
		}
		w.unlock()
		if lacks {
			if same, _ := w.checkData(ctx, keys[0]); !same {
				return // the next Missed confirms them
			}
		}
		w.lock()
		for i, key := range keys {
			w.remember(found[i], key, began[key])
		}
		w.unlock()
	}
}

// suspects reports whether the version of a key suggests that the backend has lost its
// data: the record of an own copy is gone, or is one that the copy had replaced.
func (w *rewriter) suspects(key, version string) bool {
	if w.backend.stateful == nil || !w.mirror.watches.wants(key) {
		return false
	}
	if again := w.outbox.get(key).rewrite(); again != nil && slices.Contains(again.replaces, "") { // the loss is known
		return false
	}
	c := w.mirror.copies.get(key)
	return c != nil && c.own && len(c.versions) == 1 && c.versions[0] != version && (version == "" || slices.Contains(c.replaced, version))
}

// checkData finds out whether the backend has lost its data, and queues what was lost.
// The key is the one that a probe looks at if the backend is away. The result says
// whether what was found before may be believed; if not, the error says why.
//
// If the backend has been back for longer than VersionsKept by then, nothing is written
// again, for it may have forgotten what others have deleted since. Within that time what
// this process may have made since the loss is written again, too: the backend knows the
// version if it has had it, and does nothing.
func (w *rewriter) checkData(ctx context.Context, key string) (same bool, _ error) {
	if w.backend.stateful == nil {
		return true, nil
	}
	w.lock()
	generation := w.breaker.generation
	w.unlock()
	var id string
	var age time.Duration
	verdict, err := w.link.call(ctx, generation, key, func(ctx context.Context) (err error) {
		id, age, err = w.backend.stateful.State(ctx)
		return err
	})
	w.lock()
	defer w.unlock()
	switch {
	case verdict.away() || err != nil && ctx.Err() != nil:
		return false, err // and is asked again
	case err != nil:
		w.events.add(Event{Kind: Emptied, Err: fmt.Errorf("resilient: the store does not say whether it has lost its data, so nothing is written again: %w", err)})
		return true, nil
	}
	before := w.mirror.dataID
	w.mirror.dataID = id
	if before == "" || before == id {
		return true, nil
	}
	w.lostAt = w.clock.Now()
	w.dataSince = w.lostAt.Add(-age)
	forgotten := w.mirror.copies.ownForgotten
	w.mirror.copies.ownForgotten = 0
	var lost []*recordCopy
	for key, e := range w.mirror.copies.byKey {
		if c := e.Value.(*recordCopy); c.own && w.mirror.watches.wants(key) {
			lost = append(lost, c)
		}
	}
	if age > storage.VersionsKept {
		for _, c := range lost {
			c.own = false
		}
		w.events.add(Event{Kind: Emptied, Err: ErrLate, Forgotten: forgotten})
		return false, errDataLost
	}
	slices.SortFunc(lost, func(a, b *recordCopy) int { return strings.Compare(a.key, b.key) })
	until := func(c *recordCopy) time.Time { // it may have been made since, and been deleted
		if c.dataID == before || w.inDoubt == storage.Forever {
			return time.Time{}
		}
		return w.lostAt.Add(w.inDoubt - age - 2*w.link.allowed()) // to look, and to send
	}
	n := 0
	for _, c := range lost {
		if w.outbox.enqueueRewrite(c, until(c), append([]string{""}, c.replaced...)...) {
			n++
		}
	}
	w.events.add(Event{Kind: Emptied, Changes: n, Forgotten: forgotten})
	return false, errDataLost
}

// mayBeLost reports whether a change was sent before the backend lost its data, or may
// have been. Then the backend does not know it again, and what others write again may
// contain it, and may be deleted by now:
//
//	A  updates v1 to v2, and gets no answer
//	B                      updates v2 to v3
//	the store              loses its data
//	B                      writes v3 again, and perhaps deletes it
//	A  sends v1 to v2 again, which is not made: nor must it be on what is there
//
// It is sent again as it is, and so made if the record is the one that it was made on,
// also if A writes that again itself: under its own version, so that B knows it. Else it
// is dropped. A process that has not known the data before takes nothing for lost.
func (w *rewriter) mayBeLost(sent *attempt) bool {
	return w.inDoubt != storage.Forever && !w.dataSince.IsZero() && !sent.first.After(w.dataSince)
}

// undone writes an own record again if another process, which was cut off when it was
// made, has written again what it had replaced. It replaces that version only, for a
// watch may have told of it late. It is called with the lock held, as those below.
func (w *rewriter) undone(c *recordCopy, version string) {
	if c.own && w.clock.Since(w.lostAt) < 2*storage.VersionsKept {
		w.outbox.enqueueRewrite(c, time.Time{}, version)
	}
}

// yieldToNewer takes a rewrite of the key out of the outbox, for a set or deletion is to
// replace it now. A rewrite that was sent already may still arrive.
func (w *rewriter) yieldToNewer(key string) {
	if p := w.outbox.get(key); p.rewrite() != nil && p.sent == nil && len(p.parts) == 1 && !w.breaker.away() {
		w.outbox.supersede(p)
	}
}

// overtaken is called if a change was made that was in flight when its record was found
// to be lost. The record need not be written again; a rewrite that was sent is undone.
func (w *rewriter) overtaken(c *recordCopy) {
	p := w.outbox.get(c.key)
	again := p.rewrite()
	switch {
	case again == nil:
	case p.sent == nil:
		w.outbox.supersede(p)
	default:
		c.replaced = withVersion(c.replaced, again.versions[0])
	}
}
