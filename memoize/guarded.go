package memoize

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/admission"
	"github.com/perennial-go/perennial/internal/digest"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// How a load asks its guard for a place. That comes last, when the storage has been asked,
// and right before the source: nobody who waits for anything else holds a place.

// ErrOverloaded says that the function's guard has refused a load, and nothing older could
// be served. The error is a *guard.OverloadedError, which says when to come again. The
// source was not asked.
var ErrOverloaded = guard.ErrOverloaded

// place is that of a load which begins: of the guard, or of MaxLoads.
func (e *core[A, K, V]) place(p *plan[A, K, V]) slots.Slot {
	if p.guard != nil {
		return p.guard.Gate(module.Only{}).Place()
	}
	return e.slots.Slot()
}

// atOnce is how many of many keys are asked for at once, where so many make a load.
func (p *plan[A, K, V]) atOnce(together int) int {
	if p.guard != nil {
		return p.guard.Gate(module.Only{}).Limit() * together
	}
	return p.limits.MaxLoads
}

// queueTimeout is how long a load waits for a place of the guard at most.
func (p *plan[A, K, V]) queueTimeout() time.Duration {
	if p.guard != nil {
		return p.guard.Gate(module.Only{}).Longest()
	}
	return 0
}

// checkGuard refuses a guard that lives in another time than the function.
func (e *core[A, K, V]) checkGuard(g *guard.Guard) error {
	if g == nil {
		return nil
	}
	var mine any
	if e.time.Handed {
		mine = e.time.Clock
	}
	if g.Gate(module.Only{}).OnClock() != mine {
		return fmt.Errorf("memoize: %s and its guard %s do not live on one clock: give guard.Clock what config.Clock is given", e.name, g)
	}
	return nil
}

// expect notes how long a call waits, for a guard to know whether there is hope for it. A
// call says so before the load that it leads begins.
func (e *core[A, K, V]) expect(ctx context.Context, p *plan[A, K, V], update statuses.Update[V]) {
	if p.guard != nil && update != nil {
		until, _ := ctx.Deadline()
		update.Expect(until)
	}
}

// admit asks the guard to let the load in for the jobs that have not ended, and waits for
// that. It tells whether any is to be loaded; the others have ended then.
//
// One that nobody waits for is shed, unless somebody has joined it: then it counts as
// theirs. To look for that and to end the update are one step.
func (l *load[A, K, V]) admit() (any bool) {
	if l.plan.guard == nil {
		return true
	}
	if l.released.Load() { // it is late, and nobody waits
		l.each(func(j *job[A, K, V]) { l.end(j, statuses.Outcome[V]{Err: ErrLoadTimeout}) })
		return false
	}
	class := l.class()
	err := l.enter(class)
	for err != nil && class > guard.Forced && l.run.Context.Err() == nil {
		l.each(func(j *job[A, K, V]) { any = !l.shed(j, class, err) || any })
		if !any {
			return false
		}
		class, any = guard.Miss, false
		err = l.enter(class)
	}
	if err != nil {
		l.each(func(j *job[A, K, V]) { l.refuse(j, err) })
	}
	return err == nil
}

// each calls f with the jobs that have not ended.
func (l *load[A, K, V]) each(f func(j *job[A, K, V])) {
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended {
			f(j)
		}
	}
}

// Left implements admission.Caller.
func (l *load[A, K, V]) Left() time.Duration {
	most := time.Duration(math.MinInt64)
	for i := range l.jobs {
		j := &l.jobs[i]
		if j.ended {
			continue
		}
		until, known := j.update.Expected()
		switch {
		case !known:
			return admission.Unknown
		case until.IsZero():
			return math.MaxInt64
		}
		most = max(most, l.e.time.Until(until))
	}
	return most
}

// Hash implements admission.Caller.
func (l *load[A, K, V]) Hash() uint64 { return digest.Of(l.jobs[0].key)[0] }

func (l *load[A, K, V]) enter(class guard.Class) error {
	return enter(&l.e.runs, &l.run, l.plan.guard, &l.pass, class, l.plan.timeout, l)
}

// enter asks a guard for a run, and waits in its queue. The method timeout counts from
// the place.
func enter(all *runs.Runs, r *runs.Run, g *guard.Guard, pass *admission.Pass, class guard.Class, timeout time.Duration, who admission.Caller) error {
	queue, err := g.Gate(module.Only{}).Enter(pass, &r.Slot, class, who)
	if !queue {
		return err
	}
	all.Queue(r, math.MaxInt64)
	err = g.Gate(module.Only{}).Queue(&r.Context, pass, &r.Slot, class, who)
	if !all.Limit(r, timeout) && err == nil {
		return context.DeadlineExceeded // it was late before it asked
	}
	return err
}

// class is the highest of the jobs'.
func (l *load[A, K, V]) class() guard.Class {
	switch l.cause {
	case observe.Refresh:
		return guard.Refresh
	case observe.Warm:
		return guard.Warm
	case observe.Forced:
		return guard.Forced
	}
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended && !j.rescuable {
			return guard.Miss
		}
	}
	return guard.Rescuable
}

// shed ends a key's update without a load, unless somebody has joined it who is not to be
// told what its own kind is told.
func (l *load[A, K, V]) shed(j *job[A, K, V], class guard.Class, err error) bool {
	waits := statuses.Idle // nobody may wait
	if class == guard.Rescuable {
		waits = statuses.Need // who can be rescued may
	}
	if !j.update.Shed(statuses.Outcome[V]{Err: newLoadError(l.e.name, l.e.show(j.key), Refused, err)}, waits) {
		return false
	}
	l.refused(j, err)
	l.end(j, statuses.Outcome[V]{})
	return true
}

// refuse ends a key's update with the refusal of the guard, or of who has ended the load's
// context meanwhile. It is no failure of the source: it feeds no back-off and no log of
// failures.
func (l *load[A, K, V]) refuse(j *job[A, K, V], err error) {
	reason := Refused
	if errors.Is(err, ErrOverloaded) {
		l.refused(j, err)
	} else {
		reason = Failed
	}
	l.end(j, statuses.Outcome[V]{Err: newLoadError(l.e.name, l.e.show(j.key), reason, err)})
}

func (l *load[A, K, V]) refused(j *job[A, K, V], err error) {
	l.e.overloaded(&l.run.Context, l.cause, err, func() string { return l.e.show(j.key) })
}

// overloaded tells of a load that the guard has refused, which may happen on every call.
func (o *observing[K]) overloaded(ctx context.Context, cause observe.Cause, err error, key func() string) {
	o.counters.causes[cause].refused.Add(1)
	if n := o.problems.Meet(observe.Overloaded, o.time.Now()); n > 0 {
		o.tell(ctx, observe.Event{Kind: observe.Overloaded, First: true, Count: n, Cause: cause, Err: err, Key: key()})
	}
}

// judge puts down what the answers of the source say of it, for the guard. Errors that are
// answers are none of its failures, nor are those of other memoized functions, which have
// guards of their own. Of a batch one answer is enough.
func (l *load[A, K, V]) judge(answers []answer[V]) {
	if l.plan.guard == nil {
		return
	}
	l.verdict = admission.None
	for i := range answers {
		a := &answers[i]
		o := admission.Success
		switch {
		case a.err == nil && l.e.fails != nil && l.e.fails(a.value):
			o = admission.Failure
		case a.err != nil && !l.isAnswer(a):
			o = outcomeOf(l.plan.guard, a.err)
		}
		if l.verdict = max(l.verdict, o); o == admission.Success {
			l.verdict = o
			return
		}
	}
}

// failing is a value that may be a failure of the source: a response with such a status.
type failing interface{ SourceFails(module.Only) bool }

// failures is what tells failures among values of a type, nil if there are none.
func failures[V any]() func(V) bool {
	var v V
	if _, may := any(v).(failing); !may {
		return nil
	}
	return func(v V) bool { return any(v).(failing).SourceFails(module.Only{}) }
}

// isAnswer tells whether an error of the source is an answer, and remembers which.
func (l *load[A, K, V]) isAnswer(a *answer[V]) bool {
	_ = safely(func() error { // a panic comes again when the answer is built
		a.negative, a.judged = l.negative(a, l.e.time.Now()), true
		return nil
	})
	return a.negative != nil
}

// outcomeOf is what an error of a source says of it.
func outcomeOf(g *guard.Guard, err error) admission.Outcome {
	var nested *LoadError
	switch {
	case err == ErrNoValue:
		return admission.Success
	case errors.As(err, &nested), errors.Is(err, ErrOverloaded):
		return admission.None
	case !g.Gate(module.Only{}).Fails(err):
		return admission.Success
	}
	return admission.Failure
}

// leave tells the guard what became of the load, once.
func (l *load[A, K, V]) leave(now entry.Instant, took time.Duration, o admission.Outcome) {
	if l.plan.guard != nil {
		leave(l.plan.guard, &l.run, &l.pass, now, took, o, l)
	}
}

// leave tells a guard what became of a run. A failure of one that its own side has cancelled,
// by Close or because its caller has left, says nothing of the source.
func leave(g *guard.Guard, r *runs.Run, pass *admission.Pass, now entry.Instant, took time.Duration, o admission.Outcome, who admission.Caller) {
	if o == admission.Failure && r.Context.Err() != nil {
		o = admission.None
	}
	g.Gate(module.Only{}).Leave(pass, &r.Slot, now, took, o, who)
}
