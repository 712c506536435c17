package memoize

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// startBatch starts the updates of a batch, and its time. One that has to wait, for a Set
// that stores its value or for superseded loads, would hold up the others: it leaves the
// batch and is loaded alone.
func (l *load[A, K, V]) startBatch() (any bool) {
	var waiting []job[A, K, V]
	stay := l.jobs
	for i := range l.jobs {
		j := &l.jobs[i]
		if l.startOne(j, atOnce) != nil {
			if waiting == nil {
				stay = slices.Clone(l.jobs[:i])
			}
			waiting = append(waiting, *j)
			continue
		}
		if any = any || !j.ended; waiting != nil {
			stay = append(stay, *j)
		}
	}
	l.jobs = stay // before anybody else knows of the load: it has no time yet, and its source does not run
	for _, j := range waiting {
		l.loadApart(j)
	}
	l.e.runs.Limit(&l.run, l.plan.timeout)
	return any
}

// loadApart starts a load of its own for a job of a batch, whose update has to wait.
func (l *load[A, K, V]) loadApart(j job[A, K, V]) {
	j.queued = true
	if l.Refresh() {
		l.e.runs.ReserveOver()
	}
	alone := &load[A, K, V]{e: l.e, plan: l.e.plans.use(l.plan), cause: l.cause, seen: l.seen, one: [1]job[A, K, V]{j}}
	alone.jobs = alone.one[:]
	alone.startWith(l.run.Context.Context)
}

// keepOld makes old values the answers of keys that the source has called unchanged.
func (l *load[A, K, V]) keepOld(answers []answer[V]) {
	for i, old := range l.asked.end() {
		if answers[i].err != nil { // it has left the key out
			answers[i].old(old)
		}
	}
}

// loadBatch asks the source for many keys together.
func (l *load[A, K, V]) loadBatch() {
	var waiting []*job[A, K, V]
	var args []A
	any := false
	l.each(func(j *job[A, K, V]) { any = !l.lookAgain(j) || any })
	if !any || !l.admit() {
		return
	}
	l.each(func(j *job[A, K, V]) { waiting, args = append(waiting, j), append(args, j.arg) })
	l.asked = l.e.source.asks(l.cause, args, func(i int) findOld[V] { return l.findOld(waiting[i]) })
	var answers []answer[V]
	var unasked int
	took := l.ask(len(args), func(ctx context.Context) (first, all error) {
		answers, unasked = l.e.source.ask(ctx, args)
		l.keepOld(answers)
		l.judge(answers)
		return answers[0].err, errorOf(answers)
	})
	l.e.unasked(&l.run.Context, unasked)
	now := l.e.time.Now()
	if len(waiting) > 1 && (l.plan.bulk != nil || l.plan.fenced != nil) {
		l.keepTogether(waiting, answers, took, now)
		return
	}
	for i := range answers {
		l.sparing(waiting[i], func() {
			stored, err := l.keep(waiting[i], &answers[i], took, now)
			l.settle(waiting[i], stored, err)
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
		l.fail(j, l.e.panicked(&l.run.Context, err))
	}
}

// keepTogether is keep for many keys, which are stored in one round trip.
//
// Nobody waits while holding what others wait for: a key that another is busy with is
// stored afterwards, alone, and so is what the strategy names, which may be a key of
// this batch or of another one:
//
//	A  publishes 1 ─ waits for 2
//	B  publishes 2 ─ waits for 1
func (l *load[A, K, V]) keepTogether(jobs []*job[A, K, V], answers []answer[V], took time.Duration, now entry.Instant) {
	var together, busy []*job[A, K, V]
	made := make(map[*job[A, K, V]]*built[V], len(jobs))
	for i, j := range jobs {
		l.sparing(j, func() {
			b := new(built[V])
			store, err := l.build(j, &answers[i], took, now, b)
			if !store || err != nil {
				l.settle(j, store, err)
				return
			}
			made[j] = b
			if b.useless(now) {
				busy = append(busy, j)
				return
			}
			switch err := j.update.Publish(atOnce); {
			case errors.Is(err, context.Canceled):
				busy = append(busy, j)
			case err != nil:
				l.drop(j, b, err)
				l.settle(j, false, nil)
			case j.outdated:
				l.settle(j, false, l.dropOutdated(j, b))
			default:
				j.result.entry, j.result.cost = b.entry(), b.cost
				together = append(together, j)
			}
		})
	}
	if len(together) > 0 {
		l.storeTogether(together)
	}
	for _, j := range together {
		l.sparing(j, func() { l.settle(j, true, l.accountStored(j)) })
	}
	for _, j := range busy {
		l.sparing(j, func() {
			store, err := l.publish(j, made[j], now)
			l.settle(j, store, err)
		})
	}
}

// atOnce is a context that has ended: under it nobody waits.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// accountStored tells the strategy of what was stored with others.
func (l *load[A, K, V]) accountStored(j *job[A, K, V]) error {
	switch {
	case !j.result.kept:
		return nil
	case j.result.cost != nil:
		return l.e.stores.accountWeighed(l.storing(), l.plan, j.key, &j.result, nil)
	}
	return l.e.stores.account(l.storing(), l.plan, j.key, &j.result, nil)
}

// storeTogether writes the entries of jobs, and puts down what became of them.
func (l *load[A, K, V]) storeTogether(jobs []*job[A, K, V]) {
	keys, entries := make([]K, len(jobs)), make([]*entry.Entry[V], len(jobs))
	for i, j := range jobs {
		keys[i], entries[i] = j.key, j.result.entry
	}
	if l.plan.fenced == nil {
		l.e.stores.dropDoubtful(l.storing(), l.plan, false, keys...)
		bulk := l.plan.bulk
		err := l.e.stores.write(l.storing(), l.plan, change{brings: true}, func(ctx context.Context) error { return bulk.OfferMany(ctx, keys, entries) }, keys...)
		for i, j := range jobs {
			j.result.fault = storage.FaultOf(err, i)
			j.result.kept = j.result.fault == nil
		}
		return
	}
	fills, filled := make([]storage.Fill[K, V], len(jobs)), l.e.stores.fills.Add(1)
	for i, j := range jobs {
		j.result.claim.filled = filled
		fills[i] = storage.Fill[K, V]{Key: j.key, Entry: j.result.entry, Token: j.result.claim.token}
	}
	kept, err := l.e.stores.fill(l.storing(), l.plan, false, fills...)
	for i, j := range jobs {
		j.result.fault = storage.FaultOf(err, i)
		j.result.kept = j.result.fault == nil && kept[i]
	}
}
