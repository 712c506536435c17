package resilient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/perennial-go/perennial/storage"
)

// compose makes one change of the parts of a job, and notes it as sent. It returns nil if
// there is nothing to send, or if what there is has to be found out again.
func (s *sender) compose(ctx context.Context, j *job, look bool) (*attempt, error) {
	first := j.parts[0]
	if first.kind == rewrites {
		return s.composeRewrite(ctx, *j)
	}
	at := storage.Versioned{Version: j.base[0]}
	always := first.kind == deletes && s.backend.deletesAlways
	if !always && (look || first.kind == updates || len(j.base) > 1 || first.kind == deletes && at.Version == "") {
		found, ok, err := s.find(ctx, *j)
		if !ok {
			return nil, err
		}
		at = found
		if first.kind != updates && !slices.Contains(j.base, at.Version) && (at.Found || first.kind == sets) {
			s.conflict(*j)
			return nil, nil
		}
	}
	now := s.clock.Now()
	r, end, done := at.Record, endOf(at.Left, now), 0
	if first.kind != updates {
		r, end, done = recordOf(first.value, first.kind == sets, first.end, now), first.end, 1
	}
	changes := always || done == 1 && (r.Found || at.Version != "")
	for i, one := range j.parts[done:] {
		value, keep, err := applyLater(ctx, one.apply, r)
		if errors.Is(err, errAbandoned) {
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		}
		if errors.Is(err, ErrNoChange) {
			continue
		}
		if err != nil {
			s.reject(*j, done+i, err)
			return nil, nil
		}
		now := s.clock.Now()
		end, changes = endOf(keep, now), true
		r = recordOf(value, keep > 0, end, now)
	}
	s.lock()
	defer s.unlock()
	if !s.same(*j) {
		return nil, nil
	}
	if !changes {
		s.outbox.done(j.pending, len(j.parts))
		return nil, nil
	}
	item := storage.Item{Key: j.key, Keep: r.Left}
	if r.Found {
		item.Value = r.Value
	}
	sent := &attempt{change: s.backend.change(item, at.Version), end: end, covers: len(j.parts), first: s.clock.Now()}
	s.outbox.setSent(j.pending, sent)
	return sent, nil
}

// composeRewrite is compose for a rewrite. It is sent alone and under the version that
// the record had, so that the backend knows it again: it is made once, also if it was
// made before.
func (s *sender) composeRewrite(ctx context.Context, j job) (*attempt, error) {
	c := j.parts[0].again
	at, ok, err := s.find(ctx, j)
	if !ok {
		return nil, err
	}
	now := s.clock.Now()
	r := c.record(now)
	there := at.Version == c.versions[0] || !r.Found && at.Version == ""
	if !there && !slices.Contains(c.replaces, at.Version) {
		s.conflict(j)
		return nil, nil
	}
	s.lock()
	defer s.unlock()
	if !s.same(j) {
		return nil, nil
	}
	switch {
	case there:
		j.pending.base = []string{at.Version}
		s.outbox.endRewrite(j.pending)
		s.outbox.done(j.pending, 1)
		return nil, nil
	case j.late(now):
		s.outbox.endRewrite(j.pending)
		s.outbox.drop(j.pending, 1, ErrLate)
		return nil, nil
	}
	change := s.backend.change(storage.Item{Key: j.key, Value: r.Value, Keep: r.Left}, at.Version)
	if r.Found {
		change.Becomes = c.versions[0]
	}
	sent := &attempt{change: change, end: c.end, covers: 1, again: true, first: now}
	s.outbox.setSent(j.pending, sent)
	return sent, nil
}

// conflict drops a set or deletion, for the record is another one than it was made on.
// Updates after it stay. A rewrite is superseded: the record is somebody else's now.
func (s *sender) conflict(j job) {
	s.lock()
	defer s.unlock()
	if !s.same(j) {
		return
	}
	if p := j.pending; p.parts[0].kind == rewrites {
		s.outbox.endRewrite(p)
		s.outbox.supersede(p)
		return
	}
	s.outbox.drop(j.pending, 1, nil)
}

// reject drops one update whose function fails.
func (s *sender) reject(j job, i int, err error) {
	s.lock()
	defer s.unlock()
	if !s.same(j) {
		return
	}
	p := j.pending
	s.outbox.total.Dropped++
	s.events.add(Event{Kind: Dropped, Key: p.key, Changes: 1, Err: err})
	if i == 0 {
		s.outbox.removeFirst(p, 1)
		return
	}
	p.revision++
	s.outbox.setParts(p, slices.Delete(slices.Clone(p.parts), i, i+1))
}
