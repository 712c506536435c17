package resilient

import (
	"slices"
	"time"
)

// enqueue puts a change into the queue, with what the record is then, and with
// the attempt that may have reached the store.
func (s *Store) enqueue(key string, one part, result *copied, sent *attempt, now time.Time) error {
	p := s.queue.get(key)
	stay := p.stays(one)
	parts := append(stay, one) // nobody looks beyond the end of those that a key has
	switch {
	case p == nil:
	case sent == nil:
		sent = p.sent
	default: // it was on its way when something was to be written again: that has come first
		sent.covers = len(parts)
	}
	for !s.queue.fits(p, key, parts, result, sent) {
		if !s.makeRoom(p, key, parts, result, sent) {
			s.counts.refused++
			s.tell(Event{Kind: Refused, Key: key, Err: ErrFull})
			return ErrFull
		}
	}
	switch {
	case p == nil:
		p = &pending{key: key, since: now, base: s.copies.get(key).versions(now)}
		if sent != nil && !slices.Contains(p.base, sent.change.Was) {
			p.base = append(p.base, sent.change.Was)
		}
		s.queue.add(p)
	case one.kind != updates:
		s.counts.superseded += uint64(len(p.parts) - len(stay))
		p.times++
		if again := p.again(); again != nil {
			again.then = nil
		}
		switch {
		case p.sent == nil:
		case len(stay) > 0:
			p.sent.covers = len(stay)
		default:
			is := versionOf(p.sent.change)
			if slices.Contains(p.base, p.sent.change.Was) && !slices.Contains(p.base, is) { // else others have changed it before
				p.base, p.sent.based = append(slices.Clone(p.base), is), true
			}
			p.sent.covers = 0
		}
	}
	*s.epoch(key)++
	p.result, p.sent = result, sent
	s.queue.setParts(p, parts)
	s.counts.queued++
	s.soon()
	return nil
}

// stays is what waits in spite of a change that comes after it: all of it, where that
// updates, and else what is written again, which it was made on.
func (p *pending) stays(one part) []part {
	switch {
	case p == nil:
		return nil
	case one.kind == updates:
		return p.parts
	case p.again() != nil:
		return slices.Clone(p.parts[:1])
	}
	return nil
}

// makeRoom drops what has waited for longest, if that is wanted and helps.
func (s *Store) makeRoom(but *pending, key string, parts []part, result *copied, sent *attempt) bool {
	if !s.dropOldest || len(parts) > s.queue.most || costOf(key, parts, result, sent) > s.queue.mostBytes {
		return false
	}
	p := s.queue.oldest() // there is another, for the key alone would fit
	if p == but {
		s.queue.toBack(p)
		p = s.queue.oldest()
	}
	s.drop(p, len(p.parts), ErrFull)
	return true
}
