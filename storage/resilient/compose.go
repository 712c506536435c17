package resilient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/perennial-go/perennial/storage"
)

// compose makes one change of what waits of a key, and puts it down as sent. It is
// nil where there is nothing to send, or where that has to be found out again.
func (s *Store) compose(ctx context.Context, j *job, see bool) (*attempt, error) {
	first := j.parts[0]
	if first.kind == rewrites {
		return s.composeAgain(ctx, *j)
	}
	at := storage.Versioned{Version: j.base[0]}
	always := first.kind == deletes && s.deletes
	if !always && (see || first.kind == updates || len(j.base) > 1 || first.kind == deletes && at.Version == "") {
		var ok bool
		var err error
		if at, ok, err = s.find(ctx, *j); !ok {
			return nil, err
		}
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
		value, keep, err := apply(ctx, one.apply, r)
		if errors.Is(err, errLeft) {
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
	s.mu.Lock()
	defer s.unlock()
	if !s.same(*j) {
		return nil, nil
	}
	if !changes {
		s.delivered(j.pending, len(j.parts))
		return nil, nil
	}
	item := storage.Item{Key: j.key, Keep: r.Left}
	if r.Found {
		item.Value = r.Value
	}
	sent := &attempt{
		change: storage.Change{Item: item, Was: at.Version, Becomes: s.ground.becomes(item.Value, item.Keep)},
		end:    end, covers: len(j.parts), first: s.clock.Now(),
	}
	s.queue.setSent(j.pending, sent)
	return sent, nil
}

// conflict drops what is to be stored or deleted in place of something else than
// what there is. What is to be updated after that, is.
func (s *Store) conflict(j job) {
	s.mu.Lock()
	defer s.unlock()
	if !s.same(j) {
		return
	}
	if p := j.pending; p.parts[0].kind == rewrites { // somebody was faster, and it is theirs
		s.counts.superseded++
		s.settled(p)
		s.shorten(p, 1)
		return
	}
	s.drop(j.pending, 1, nil)
}

// reject drops one change whose function fails.
func (s *Store) reject(j job, i int, err error) {
	s.mu.Lock()
	defer s.unlock()
	if !s.same(j) {
		return
	}
	p := j.pending
	s.counts.dropped++
	s.tell(Event{Kind: Dropped, Key: p.key, Changes: 1, Err: err})
	if i == 0 {
		s.shorten(p, 1)
		return
	}
	p.times++
	s.queue.setParts(p, slices.Delete(slices.Clone(p.parts), i, i+1))
}
