package memoize

import (
	"context"
	"errors"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// loadBatch asks the source for many keys together.
func (l *load[A, K, V]) loadBatch() {
	var waiting []*job[A, K, V]
	var args []A
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended && !l.lookAgain(j) {
			waiting, args = append(waiting, j), append(args, j.arg)
		}
	}
	if len(waiting) == 0 {
		return
	}
	began := l.asks(len(args))
	answers := l.source.ask(&l.ctx, args)
	var err error
	for _, a := range answers {
		err = errors.Join(err, a.err)
	}
	l.answered(len(args), began, answers[0].err, err)
	now := l.time.now()
	if len(waiting) > 1 && (l.plan.bulk != nil || l.plan.fenced != nil) {
		l.keepTogether(waiting, answers, began, now)
		return
	}
	for i := range answers {
		l.sparing(waiting[i], func() {
			stored, err := l.keep(waiting[i], &answers[i], began, now)
			l.settled(waiting[i], stored, err)
		})
	}
}

// sparing keeps user code that panics for one key from the others.
func (l *load[A, K, V]) sparing(j *job[A, K, V], f func()) {
	err := safely(func() error {
		f()
		return nil
	})
	if err != nil {
		l.fail(j, l.panicked(&l.ctx, err))
	}
}

// keepTogether is keep for many keys, which are stored in one round trip.
func (l *load[A, K, V]) keepTogether(jobs []*job[A, K, V], answers []answer[V], began, now entry.Instant) {
	var together []*job[A, K, V]
	for i, j := range jobs {
		l.sparing(j, func() {
			var b built[V]
			store, err := l.ready(j, &answers[i], began, now, &b)
			switch {
			case store && b.expiresAfter > now:
				j.stored.entry, j.stored.cost = b.entry(), b.cost
				together = append(together, j)
				return
			case store: // nobody could ever be served it
				err = l.store(l.storing(), l.plan, j.key, &b, now, &j.stored)
			}
			l.settled(j, store, err)
		})
	}
	if len(together) == 0 {
		return
	}
	l.storeTogether(together)
	for _, j := range together {
		l.sparing(j, func() {
			var err error
			switch {
			case !j.stored.kept:
			case j.stored.cost != nil:
				err = l.accountWeighed(l.storing(), l.plan, j.key, &j.stored, nil)
			default:
				err = l.account(l.storing(), l.plan, j.key, &j.stored, nil)
			}
			l.settled(j, true, err)
		})
	}
}

// storeTogether writes the entries of jobs, and puts down what became of them.
func (l *load[A, K, V]) storeTogether(jobs []*job[A, K, V]) {
	keys, entries := make([]K, len(jobs)), make([]*entry.Entry[V], len(jobs))
	for i, j := range jobs {
		keys[i], entries[i] = j.key, j.stored.entry
	}
	if l.plan.fenced == nil {
		err := l.write(l.storing(), l.plan, func(ctx context.Context) error { return committed(l.plan.bulk.OfferMany(ctx, keys, entries)) }, keys...)
		for i, j := range jobs {
			j.stored.fault = storage.FaultOf(err, i)
			j.stored.kept = j.stored.fault == nil
		}
		return
	}
	fills, filled := make([]storage.Fill[K, V], len(jobs)), l.fills.Add(1)
	for i, j := range jobs {
		j.stored.claim.filled = filled
		fills[i] = storage.Fill[K, V]{Key: j.key, Entry: j.stored.entry, Token: j.stored.claim.token}
	}
	kept, err := l.fill(l.storing(), l.plan, fills...)
	for i, j := range jobs {
		j.stored.fault = storage.FaultOf(err, i)
		j.stored.kept = j.stored.fault == nil && kept[i]
	}
}
