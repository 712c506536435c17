package memoize

import (
	"context"
	"errors"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/statuses"
)

// secondLookOne is secondLook for one key.
func (e *engine[A, K, V]) secondLookOne(ctx context.Context, p *plan[A, K, V], w *want[A, K, V], older statuses.Fill) {
	again := *w // on the heap, where w need not be
	e.secondLook(ctx, p, []*want[A, K, V]{&again}, []statuses.Fill{older})
	w.result, w.err = again.result, again.err
}

// secondLook looks at the storage once more, for a call that has joined loads whose
// values, which are in current, may be older than the call: see statuses.Fill. What it
// finds or waits for is newer. Where the storage does not answer, a value stands, unless
// it was refused: that is known to be older than what the storage has. The call then
// waits as if nothing were stored, for one load more and no further one: whatever it
// joins now has begun after it.
func (e *engine[A, K, V]) secondLook(ctx context.Context, p *plan[A, K, V], wants []*want[A, K, V], older []statuses.Fill) {
	seen := e.ended.Load()
	keys := make([]K, len(wants))
	for i, w := range wants {
		keys[i] = w.key
	}
	found, errs := e.stores.readEach(ctx, p, keys)
	var missing, stale []*want[A, K, V]
	for i, w := range wants {
		value, err := w.current, errs[i]
		w.current = nil
		if err == nil && !p.doubt.Has(w.key) {
			w.current = p.trusted(found[i])
		}
		left := err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err())
		switch {
		case left:
			w.err = e.leaves(err)
		case w.current == nil && unanswered(err) && !older[i].Refused:
			w.result, w.err = e.settle(ctx, p, w.key, statuses.Outcome[V]{Entry: value}, true, Joined)
		default:
			switch e.decideOne(ctx, p, w, false) {
			case entry.Stale:
				stale = append(stale, w)
			case entry.Missing:
				missing = append(missing, w)
			}
		}
	}
	e.refreshMany(ctx, p, stale, seen)
	e.waitMany(ctx, p, missing, waiting{second: true, seen: seen})
}
