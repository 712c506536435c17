package resilient

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// What is written again where the store has lost its data: what this process made
// of a record, where it was the last to change it as far as a Watch has told.

// note keeps what is to be written again should the store come back without it. It
// is called with the lock held, where a Watch stops to see.
func (s *Store) note() {
	if s.writesOn == nil || len(s.watches) == 0 {
		return
	}
	for key, e := range s.copies.byKey {
		if c := e.Value.(*copied); c.own && c.told && c.trusted == s.trust && s.watched(key) {
			s.lost[key] = c
		}
	}
}

// confirm looks again at what this process was the last to change, where changes may
// have gone unseen: nobody else need ask for it.
func (s *Store) confirm(ctx context.Context) {
	const atOnce = 100
	if s.writesOn == nil {
		return
	}
	s.mu.Lock()
	era, began := s.breaker.era, map[string]moment{}
	for key, e := range s.copies.byKey {
		if c := e.Value.(*copied); c.own && c.told && c.trusted != s.trust && s.watched(key) && s.queue.get(key) == nil {
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
			return // what is not confirmed is not written again
		}
		s.mu.Lock()
		for i, key := range keys {
			s.remember(found[i], key, began[key])
		}
		s.unlock()
	}
}

// askState finds out whether the store has lost its data, and has what was lost
// written again. The key is what a probe looks at where the store is away. A store
// that has been there for longer than VersionsKept by then may know nothing any more
// of what others have deleted since: what they have done stands.
func (s *Store) askState(ctx context.Context, key string) {
	if s.writesOn == nil {
		return
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
		return // and is asked again
	case err != nil:
		s.lost = map[string]*copied{}
		s.tell(Event{Kind: Emptied, Err: fmt.Errorf("resilient: nobody can tell whether the store has lost its data, and nothing is written again: %w", err)})
		return
	}
	before, lost := s.state, s.lost
	s.state, s.lost = id, map[string]*copied{}
	if before == "" || before == id {
		return
	}
	s.emptied = s.clock.Now()
	if age > storage.VersionsKept {
		s.tell(Event{Kind: Emptied, Err: ErrLate})
		return
	}
	n := 0
	for _, key := range slices.Sorted(maps.Keys(lost)) {
		c := lost[key]
		if s.writeAgain(c, append([]string{""}, c.replaced...)...) {
			n++
		}
	}
	s.tell(Event{Kind: Emptied, Changes: n})
}

// writeAgain queues what a record was, to take the place of these versions. Updates
// that wait come after it; what waits to be set or deleted takes its place.
func (s *Store) writeAgain(c *copied, base ...string) bool {
	now := s.clock.Now()
	p := s.queue.get(c.key)
	switch {
	case c.over(now) || p != nil && p.again != nil:
		return false
	case p != nil && p.parts[0].kind != updates: // it takes the place of nothing as well
		if !slices.Contains(p.base, "") {
			p.base = append(slices.Clone(p.base), "")
		}
		return false
	}
	parts, result := []part{{kind: deletes}}, c
	if c.found {
		parts = []part{{kind: sets, value: c.value, end: c.end}}
	}
	if p != nil {
		parts, result = append(parts, p.parts...), p.result
	}
	if !s.queue.fits(p, c.key, parts, result) {
		s.counts.refused++
		s.tell(Event{Kind: Refused, Key: c.key, Err: ErrFull})
		return false
	}
	if p == nil {
		p = &pending{key: c.key, since: now, result: c}
		s.queue.add(p)
	}
	p.base, p.again = append(base, c.is...), c
	switch {
	case p.sent == nil:
	case p.sent.change.Was != "": // what it was to replace is not there
		p.sent = nil
	default: // it may be that it was made after the loss; then it has come first
		p.sent.covers++
	}
	p.times++
	s.queue.setParts(p, parts)
	s.counts.queued++
	*s.epoch(c.key)++
	s.soon()
	return true
}

// suspects tells whether it would be a surprise that the store has no record of the
// key, for all that this process knows: then it may have lost it.
func (s *Store) suspects(key string) bool {
	if s.writesOn == nil || s.queue.get(key) != nil {
		return false
	}
	if c := s.lost[key]; c != nil {
		return c.found
	}
	c := s.copies.get(key)
	return c != nil && c.own && c.told && c.found && c.trusted == s.trust && s.watched(key)
}

// undone writes an own record again where another process, which was cut off when
// it was made, has written again what it replaced: in place of that alone, for it
// may have been told of late.
func (s *Store) undone(c *copied, version string) {
	if c.own && slices.Contains(c.replaced, version) && s.clock.Since(s.emptied) < 2*storage.VersionsKept {
		s.writeAgain(c, version)
	}
}

// yield lets what is to be set or deleted now come first: it takes the place of what
// would be written again.
func (s *Store) yield(key string) {
	if p := s.queue.get(key); p != nil && p.again != nil && len(p.parts) == 1 && !s.away() {
		s.counts.superseded++
		s.shorten(p, 1)
	}
}
