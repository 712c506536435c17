package resilient

import (
	"slices"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
)

// outbox holds what waits for the backend, and schedules its delivery. Guarded by
// core.mu.
type outbox struct {
	*config
	events  *eventQueue
	breaker *breaker
	mirror  *mirror
	queue
	schedule
	total Stats // what is counted since New
}

// schedule says when what waits is delivered. Guarded by core.mu.
type schedule struct {
	timer   *clock.Timer  // runs only while the store is away or something waits
	wait    time.Duration // until the next delivery
	running chan struct{} // closed when the delivery that runs has ended; nil if none runs
	deliver func()        // called when the timer fires
	closed  bool          // the Store is closed: no timer starts
}

// startTimer schedules a delivery, or a probe, after wait.
func (o *outbox) startTimer() {
	o.stopTimer()
	if !o.closed {
		o.timer = o.clock.AfterFunc(o.wait, o.deliver)
	}
}

func (s *schedule) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// deliverSoon schedules a delivery at once, unless the store is away, or a delivery
// runs or is scheduled.
func (o *outbox) deliverSoon() {
	if !o.breaker.away() && o.running == nil && o.timer == nil {
		o.wait = 0
		o.startTimer()
	}
}

// enqueue adds a change, with what the record is then, and with the attempt that may
// have reached the store. It returns storage.ErrQueued, which is success, or ErrFull.
func (o *outbox) enqueue(key string, one part, result *recordCopy, sent *attempt, now time.Time) error {
	p := o.get(key)
	stay := p.stays(one)
	parts := append(stay, one) // nobody reads beyond the length of a key's parts
	switch {
	case p == nil:
	case sent == nil:
		sent = p.sent
	default: // a rewrite that came while it was in flight comes first
		sent.covers = len(parts)
	}
	for !o.fits(p, key, parts, result, sent) {
		if !o.makeRoom(p, key, parts, result, sent) {
			o.refuse(key)
			return ErrFull
		}
	}
	switch {
	case p == nil:
		p = &pending{key: key, since: now, base: o.mirror.copies.get(key).possible(now)}
		if sent != nil && !slices.Contains(p.base, sent.change.Was) {
			p.base = append(p.base, sent.change.Was)
		}
		o.add(p)
	case one.kind != updates:
		o.total.Superseded += uint64(len(p.parts) - len(stay))
		p.revision++
		if again := p.rewrite(); again != nil {
			again.then = nil
		}
		switch {
		case p.sent == nil:
		case len(stay) > 0:
			p.sent.covers = len(stay)
		default:
			version := versionAfter(p.sent.change)
			if slices.Contains(p.base, p.sent.change.Was) && !slices.Contains(p.base, version) { // else others have changed it before
				p.base, p.sent.inBase = append(slices.Clone(p.base), version), true
			}
			p.sent.covers = 0
		}
	}
	o.mirror.epochs.changed(key)
	p.result, p.sent = result, sent
	o.setParts(p, parts)
	o.total.Queued++
	o.deliverSoon()
	return storage.ErrQueued
}

// enqueueRewrite queues a lost record to be written again until then, in place of these
// versions and before what waits of the key.
func (o *outbox) enqueueRewrite(c *recordCopy, until time.Time, replaces ...string) bool {
	now := o.clock.Now()
	if c.expired(now) || len(c.versions) != 1 {
		return false
	}
	p := o.get(c.key)
	again := &rewrite{recordCopy: c, replaces: replaces, until: until}
	parts, result := []part{{kind: rewrites, value: c.value, again: again}}, c
	var sent *attempt
	before := p.rewrite()
	if p != nil {
		result, sent = p.result, p.sent
		if before == nil {
			parts = append(parts, p.parts...)
		} else {
			again.replaces, again.then = append(replaces, before.replaces...), before.then
			parts = append(parts, p.parts[1:]...)
		}
	}
	if !o.fits(p, c.key, parts, result, sent) {
		o.refuse(c.key)
		return false
	}
	if p == nil {
		p = &pending{key: c.key, since: now, base: c.versions, result: c}
		o.add(p)
	}
	if before == nil {
		o.total.Queued++
		if p.sent != nil { // it may have been made; then the rewrite has come first
			p.sent.covers++
		}
	}
	p.revision++
	o.setParts(p, parts)
	o.mirror.epochs.changed(c.key)
	o.deliverSoon()
	return true
}

// refuse reports that a change does not fit.
func (o *outbox) refuse(key string) {
	o.total.Refused++
	o.events.add(Event{Kind: Refused, Key: key, Err: ErrFull})
}

// makeRoom drops what has waited longest, if DropOldest is set and it helps.
func (o *outbox) makeRoom(but *pending, key string, parts []part, result *recordCopy, sent *attempt) bool {
	if !o.dropOldest || len(parts) > o.count || costOf(key, parts, result, sent) > o.size {
		return false
	}
	p := o.oldest() // there is another one, for the key alone would fit
	if p == but {
		o.moveToBack(p)
		p = o.oldest()
	}
	o.drop(p, len(p.parts), ErrFull)
	return true
}

// drop gives up the first parts of a key, and reports them. A nil error is a conflict.
func (o *outbox) drop(p *pending, n int, err error) {
	if n == 0 {
		return
	}
	e := Event{Kind: Dropped, Key: p.key, Value: p.parts[0].value, Changes: n, Err: err}
	if err == nil {
		e.Kind = Conflict
		o.total.Conflicts += uint64(n)
	} else {
		o.total.Dropped += uint64(n)
	}
	o.events.add(e)
	o.removeFirst(p, n)
}

// done removes the first parts of a key, which are delivered, and reports them.
func (o *outbox) done(p *pending, n int) {
	o.total.Delivered += uint64(n)
	o.events.add(Event{Kind: Delivered, Key: p.key, Changes: n})
	o.removeFirst(p, n)
}

// supersede removes the rewrite of a key, which something newer has replaced.
func (o *outbox) supersede(p *pending) {
	o.total.Superseded++
	o.removeFirst(p, 1)
}

// removeFirst removes the first parts of a key, and the key if none is left.
func (o *outbox) removeFirst(p *pending, n int) {
	p.revision++
	if n == len(p.parts) {
		o.remove(p)
		return
	}
	if again := p.rewrite(); again != nil && again.then != nil && again.then.covers >= n {
		p.sent, again.then.covers = again.then, again.then.covers-n+1
	}
	o.setParts(p, slices.Clone(p.parts[n:]))
}

// endRewrite notes that the rewrite of a key is not sent any more.
func (o *outbox) endRewrite(p *pending) {
	switch {
	case p.sent == nil:
	case p.sent.again:
		o.setSent(p, nil)
	default:
		p.sent.covers--
	}
}

// abandon drops a change that was sent and may be in what is there instead. A set or
// deletion alone is left: it is a conflict. A change that was made on a record that is
// to be written again first is sent once more after that.
func (o *outbox) abandon(p *pending, sent *attempt) {
	again, n := p.rewrite(), sent.covers
	switch {
	case sent.again:
	case again != nil && n > 1:
		then := *sent
		then.covers--
		again.then = &then
		o.setParts(p, p.parts)
	case again == nil && (n > 1 || n == 1 && p.parts[0].kind == updates):
		o.drop(p, n, ErrInDoubt)
	}
}

// left returns a LeftError if anything waits.
func (o *outbox) left(err error) error {
	if len(o.byKey) == 0 {
		return nil
	}
	if err == nil {
		err = o.breaker.err
	}
	if err == nil {
		err = ErrContended
	}
	left := &LeftError{Changes: o.changes, Err: err}
	for e := o.order.Front(); e != nil; e = e.Next() {
		left.Keys = append(left.Keys, e.Value.(*pending).key)
	}
	return left
}
