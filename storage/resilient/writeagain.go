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

// What is written again where the store has lost its data: what this process made
// of a record, where it was the last to change it as far as a Watch has told.

// confirm looks again at what this process was the last to change, where changes may
// have gone unseen: nobody else need ask for it.
func (s *Store) confirm(ctx context.Context) {
	const atOnce = 100
	if s.writesOn == nil {
		return
	}
	s.mu.Lock()
	s.unsure = false
	era, began := s.breaker.era, map[string]moment{}
	for key, e := range s.copies.byKey {
		if c := e.Value.(*copied); c.own && c.trusted != s.trust && s.watched(key) && s.queue.get(key) == nil {
			began[key] = s.now(key)
		}
	}
	s.unlock()
	for keys := range slices.Chunk(slices.Collect(maps.Keys(began)), atOnce) {
		var found []storage.Versioned
		_, err := s.call(ctx, era, keys[0], func(ctx context.Context) (err error) {
			found, err = s.store.(storage.VersionedBytes).Look(ctx, keys...)
			return err
		})
		if err != nil {
			return // the next Missed confirms them
		}
		s.mu.Lock()
		lacks := false
		for i, key := range keys {
			lacks = lacks || s.suspects(key, found[i].Version)
		}
		s.unlock()
		if lacks {
			if same, _ := s.askState(ctx, keys[0]); !same {
				return // and the next Missed does
			}
		}
		s.mu.Lock()
		for i, key := range keys {
			s.remember(found[i], key, began[key])
		}
		s.unlock()
	}
}

// errEmptied is why nothing is known of a record: the store has lost its data, and
// what is to be written again is in the queue.
var errEmptied = errors.New("resilient: the store has lost its data: try again")

// askState finds out whether the store has lost its data, and has what was lost
// written again. The key is what a probe looks at where the store is away. A store
// that has been there for longer than VersionsKept by then may know nothing any more
// of what others have deleted since: what they have done stands. It tells whether
// what was found before it was asked may be believed; else the error says why not.
//
// What a process may have made since the loss, before it was known, is written again
// too, within that time: the store knows the version if it had it, and does nothing.
func (s *Store) askState(ctx context.Context, key string) (same bool, _ error) {
	if s.writesOn == nil {
		return true, nil
	}
	s.mu.Lock()
	era := s.breaker.era
	s.unlock()
	var id string
	var age time.Duration
	verdict, err := s.call(ctx, era, key, func(ctx context.Context) (err error) {
		id, age, err = s.writesOn.State(ctx)
		return err
	})
	s.mu.Lock()
	defer s.unlock()
	switch {
	case verdict == Away || verdict == Unknown || err != nil && ctx.Err() != nil:
		return false, err // and is asked again
	case err != nil:
		s.tell(Event{Kind: Emptied, Err: fmt.Errorf("resilient: nobody can tell whether the store has lost its data, and nothing is written again: %w", err)})
		return true, nil
	}
	before := s.state
	s.state = id
	if before == "" || before == id {
		return true, nil
	}
	s.holds = s.clock.Now().Add(-age)
	forgotten := s.beyond
	s.emptied, s.beyond = s.clock.Now(), 0
	var lost []*copied
	for key, e := range s.copies.byKey {
		if c := e.Value.(*copied); c.own && s.wants(key) {
			lost = append(lost, c)
		}
	}
	if age > storage.VersionsKept {
		for _, c := range lost {
			c.own = false
		}
		s.tell(Event{Kind: Emptied, Err: ErrLate, Forgotten: forgotten})
		return false, errEmptied
	}
	slices.SortFunc(lost, func(a, b *copied) int { return strings.Compare(a.key, b.key) })
	until := func(c *copied) time.Time { // it may have been made since, and been deleted
		if c.state == before || s.inDoubt == storage.Forever {
			return time.Time{}
		}
		return s.emptied.Add(s.inDoubt - age - 2*s.allowed()) // to look, and to send
	}
	n := 0
	for _, c := range lost {
		if s.writeAgain(c, until(c), append([]string{""}, c.replaced...)...) {
			n++
		}
	}
	s.tell(Event{Kind: Emptied, Changes: n, Forgotten: forgotten})
	return false, errEmptied
}

// writeAgain queues what a record was, to take the place of these versions until then,
// in front of what waits of the key.
func (s *Store) writeAgain(c *copied, until time.Time, takes ...string) bool {
	now := s.clock.Now()
	if c.over(now) || len(c.is) != 1 {
		return false
	}
	p := s.queue.get(c.key)
	again := &rewrite{copied: c, takes: takes, until: until}
	one := part{kind: rewrites, value: c.value, again: again}
	parts, result := []part{one}, c
	waits := p.again() != nil // already
	switch {
	case waits:
		again.takes, again.then = append(takes, p.again().takes...), p.again().then
		parts, result = append(parts, p.parts[1:]...), p.result
	case p != nil:
		parts, result = append(parts, p.parts...), p.result
	}
	var sent *attempt
	if p != nil {
		sent = p.sent
	}
	if !s.queue.fits(p, c.key, parts, result, sent) {
		s.counts.refused++
		s.tell(Event{Kind: Refused, Key: c.key, Err: ErrFull})
		return false
	}
	if p == nil {
		p = &pending{key: c.key, since: now, base: c.is, result: c}
		s.queue.add(p)
	}
	if p.sent != nil && !waits { // it may be that it was made; then it has come first
		p.sent.covers++
	}
	if !waits {
		s.counts.queued++
	}
	p.times++
	s.queue.setParts(p, parts)
	*s.epoch(c.key)++
	s.soon()
	return true
}

// settled is called where what was to be written again is not, any more.
func (s *Store) settled(p *pending) {
	switch {
	case p.sent == nil:
	case p.sent.again:
		s.queue.setSent(p, nil)
	default:
		p.sent.covers--
	}
}

// lost tells whether a change was sent before the store lost its data, or may have
// been. Then the store does not know it again, and what others write again may have it
// in it, and may be deleted by now:
//
//	A  updates v1 to v2, and gets no answer
//	B                      updates v2 to v3
//	the store              loses its data
//	B                      writes v3 again, and perhaps deletes it
//	A  sends v1 to v2 again, which is not made: nor must it be on what is there
//
// It is sent again as it is, and so made where the record is what it was made on, also
// where A writes that again itself: under its own version, so that B knows it. Else it
// is dropped. Who has not known the state before can't tell, and takes nothing for lost.
func (s *Store) lost(sent *attempt) bool {
	return s.inDoubt != storage.Forever && !s.holds.IsZero() && !sent.first.After(s.holds)
}

// composeAgain is compose for what is written again. It is sent by itself, so that the
// store knows the version again: it is made once, also where it was made before.
func (s *Store) composeAgain(ctx context.Context, j job) (*attempt, error) {
	c := j.parts[0].again
	at, ok, err := s.find(ctx, j)
	if !ok {
		return nil, err
	}
	now := s.clock.Now()
	r := c.record(now)
	there := at.Version == c.is[0] || !r.Found && at.Version == ""
	if !there && !slices.Contains(c.takes, at.Version) {
		s.conflict(j)
		return nil, nil
	}
	s.mu.Lock()
	defer s.unlock()
	if !s.same(j) {
		return nil, nil
	}
	switch {
	case there:
		j.pending.base = []string{at.Version}
		s.settled(j.pending)
		s.delivered(j.pending, 1)
		return nil, nil
	case j.late(now):
		s.settled(j.pending)
		s.drop(j.pending, 1, ErrLate)
		return nil, nil
	}
	change := storage.Change{Item: storage.Item{Key: j.key, Value: r.Value, Keep: r.Left}, Was: at.Version, Becomes: c.is[0]}
	if !r.Found {
		change.Becomes = s.ground.becomes(nil, 0)
	}
	sent := &attempt{change: change, end: c.end, covers: 1, again: true, first: now}
	s.queue.setSent(j.pending, sent)
	return sent, nil
}

// overtakes is called where a change was made that was on its way when the record was
// found to be lost: it need not be written again, and what has been sent is undone.
func (s *Store) overtakes(c *copied) {
	p := s.queue.get(c.key)
	again := p.again()
	switch {
	case again == nil:
	case p.sent == nil:
		s.counts.superseded++
		s.shorten(p, 1)
	default:
		c.replaced = withVersion(c.replaced, again.is[0])
	}
}

// suspects tells whether it would be a surprise that the store has this version of the
// key, for all that this process knows: nothing, or one whose place it has taken. Then
// the store may have lost its data.
func (s *Store) suspects(key, version string) bool {
	if s.writesOn == nil || !s.wants(key) {
		return false
	}
	if p := s.queue.get(key); p.again() != nil && slices.Contains(p.again().takes, "") { // it is known to have
		return false
	}
	c := s.copies.get(key)
	return c != nil && c.own && len(c.is) == 1 && c.is[0] != version && (version == "" || slices.Contains(c.replaced, version))
}

// undone writes an own record again where another process, which was cut off when
// it was made, has written again what it replaced: in place of that alone, for it
// may have been told of late.
func (s *Store) undone(c *copied, version string) {
	if c.own && slices.Contains(c.replaced, version) && s.clock.Since(s.emptied) < 2*storage.VersionsKept {
		s.writeAgain(c, time.Time{}, version)
	}
}

// yield lets what is to be set or deleted now come first: it takes the place of what
// would be written again. What has been sent for it already may still come.
func (s *Store) yield(key string) {
	if p := s.queue.get(key); p.again() != nil && p.sent == nil && len(p.parts) == 1 && !s.away() {
		s.counts.superseded++
		s.shorten(p, 1)
	}
}
