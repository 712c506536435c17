package memoize

import (
	"context"
	"errors"
	"math"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// What a storage needs that processes share and that is fenced. A load claims
// its key before it asks the source, and fills it under the claim; the storage
// refuses once another process has invalidated or set the key. The fence of the
// registry does the same within this process.

// claimAll claims the keys of a load. What is stored is as good as what would be
// loaded now, so a fresh entry ends the key's update; for others the claim is put
// down. A key that can't be claimed is loaded all the same, and not stored.
func (l *load[A, K, V]) claimAll() {
	var jobs []*job[A, K, V]
	var keys []K
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended {
			jobs, keys = append(jobs, j), append(keys, j.key)
		}
	}
	claims, err := l.claim(&l.ctx, l.plan, keys...)
	for i, j := range jobs {
		if fault := l.faultOf(err, i); fault != nil {
			if err := l.unread(&l.ctx, l.plan, j.key, fault); err != nil {
				l.fail(j, err)
			}
			j.unclaimed = true
			continue
		}
		c := &claims[i] // what can't be read was reported when the call looked, and is overwritten
		j.stored.claim = &claim{token: c.Token}
		if l.mayUse(j) && c.Entry != nil && !l.plan.doubt.has(j.key) && l.plan.trusted(c.Entry) != nil {
			if _, _, state := l.time.decide(&c.Entry.Meta); state == entry.Fresh {
				l.end(j, nil, &unconfirmed[V]{entry: c.Entry})
			}
		}
	}
}

// claim claims keys for a load that begins now. The claim outlives the method
// timeout by the time that it takes to store: what comes later is not stored.
func (e *engine[A, K, V]) claim(ctx context.Context, p *plan[A, K, V], keys ...K) ([]storage.Claim[V], error) {
	write := p.limits.StoreWrite
	hold := min(p.timeout, math.MaxInt64-write) + write
	claims, err := ask(e, ctx, p, func(ctx context.Context) ([]storage.Claim[V], error) { return p.fenced.Claim(ctx, hold, keys...) })
	if e.faultOf(err, -1) == nil && len(claims) != len(keys) {
		err = errShort
	}
	return claims, err
}

// lookToFill is look with a claim, for who is to store something in place of what
// is there.
func (e *engine[A, K, V]) lookToFill(ctx context.Context, p *plan[A, K, V], key K) (current *entry.Entry[V], c *claim, err error) {
	if p.doubt.has(key) {
		return nil, nil, nil
	}
	claims, err := e.claim(ctx, p, key)
	if err != nil {
		return nil, nil, e.unread(ctx, p, key, err)
	}
	if err := claims[0].Err; err != nil {
		return nil, nil, e.unread(ctx, p, key, err)
	}
	return p.trusted(claims[0].Entry), &claim{token: claims[0].Token}, nil
}

// fill writes under claims. What it returns with an error counts as well, for those
// that storage.FaultOf names no fault of.
func (e *engine[A, K, V]) fill(ctx context.Context, p *plan[A, K, V], fills ...storage.Fill[K, V]) (kept []bool, err error) {
	keys := make([]K, len(fills))
	for i, f := range fills {
		keys[i] = f.Key
	}
	got := make(chan []bool, 1)
	var said []bool // of the goroutine that op runs on, as applied does
	op := func(ctx context.Context) error {
		kept, err := p.fenced.Fill(ctx, fills...)
		if err == nil && len(kept) != len(fills) {
			err = errShort
		}
		said = kept
		got <- kept
		return err
	}
	// One that is refused tells nothing of what is stored, and one that arrives late is
	// refused where it would bring back what was invalidated.
	err = e.write(ctx, p, change{applied: func(i int) bool { return i < len(said) && said[i] }}, op, keys...)
	select {
	case kept = <-got:
	default: // it has panicked, or is too slow
	}
	if len(kept) != len(fills) {
		kept = make([]bool, len(fills))
	}
	return kept, err
}

var errShort = errors.New("memoize: the storage has answered for fewer keys than it was asked for: its GetMany, Claim and Fill must answer for each")

// unconfirmed is the error with which an update ends where the storage is fenced:
// what the update brought need not be what the storage holds for those who have
// joined it. Who led it may have the value, for it is no older than the call. One
// who joined may have begun after another process's invalidation, if that came
// between the claim and a fill that was refused, or after one that was accepted:
//
//	A  claims ─ loads ──────────────────────── fills: refused
//	A  claims ─ loads ─ fills: accepted ───────────────────── hears of it
//	B                     invalidates ─ returns
//	A's other call                            begins ─ joins
//
// so it looks once more. What it finds or waits for then is newer than itself. It
// need not where it began before a fill that was accepted, and can't where the
// storage does not answer.
type unconfirmed[V any] struct {
	entry   *entry.Entry[V]
	refused bool   // by the storage
	filled  uint64 // the number of the fill that was accepted, 0 where there was none
}

func (*unconfirmed[V]) Error() string { return "memoize: the value is not what the storage holds" }

// accepted makes an end that is unconfirmed one with a value, for whoever need not
// look again. What it returns is for one who has to: began is the number of fills
// when it began to wait.
func accepted[V any](end *statuses.Outcome[V], joined bool, began uint64) (again *unconfirmed[V]) {
	u, ok := end.Err.(*unconfirmed[V])
	if !ok {
		return nil
	}
	if joined && u.newer(began) {
		return u
	}
	end.Entry, end.Err, end.Fenced = u.entry, nil, end.Fenced || u.refused
	return nil
}

// newer tells whether an invalidation that one who joined has not seen may be
// newer than the value: began is the number of fills when it began to wait.
func (u *unconfirmed[V]) newer(began uint64) bool { return u.filled == 0 || began >= u.filled }

// claim is a key's claim, and the number of its fill.
type claim struct {
	token  string
	filled uint64
}

// confirm ends the update of a load that brought a value.
func (l *load[A, K, V]) confirm(j *job[A, K, V], store bool) {
	s := &j.stored
	u := &unconfirmed[V]{entry: s.entry}
	switch {
	case s.kept && s.claim != nil:
		u.filled = s.claim.filled
	case store && s.claim != nil && s.fault == nil:
		u.refused = true
		l.counters.fenced.Add(1)
		l.note(&l.ctx, observe.Fenced, j.key)
	}
	l.end(j, nil, u)
}

// again is the second look of a call that has joined such a load. Where the storage
// does not answer, the value stands, unless it was refused: that is known to be older
// than what the storage has. The call then waits as if nothing were stored, for one
// load more and no further one: whatever it joins now has begun after it.
func (e *engine[A, K, V]) again(ctx context.Context, p *plan[A, K, V], key K, arg A, u *unconfirmed[V]) (r Result[V], err error) {
	seen := e.loads.ended.Load()
	current, err := ask(e, ctx, p, func(ctx context.Context) (*entry.Entry[V], error) { return p.settings.Storage.Get(ctx, key) })
	if unanswered(err) {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return r, e.leaves(err)
		}
		e.storeFault(ctx, key, err)
		if !u.refused {
			return e.settle(ctx, p, key, statuses.Outcome[V]{Entry: u.entry}, true, Joined)
		}
	}
	if p.doubt.has(key) || err != nil {
		current = nil
	}
	if current = p.trusted(current); current != nil {
		now, age, state := e.time.decide(&current.Meta)
		if state == entry.Stale {
			e.ahead(ctx, p, key, arg, current, now, seen)
		}
		if state.Servable() {
			e.counters.hit(state, age)
			return Result[V]{Value: current.Value, Age: age, State: state, Why: hitWhy[state]}, nil
		}
	}
	return e.wait(ctx, p, key, arg, false, seen, true)
}

// unanswered tells whether an error says that the storage did not answer.
func unanswered(err error) bool { return err != nil && !errors.Is(err, storage.ErrUnreadable) }

// unsure is a key of a call for many that has joined such a load.
type unsure[A any, K comparable, V any] struct {
	*asked[A, K, V]
	u *unconfirmed[V]
}

// againMany is again for many keys: one look for all, if the storage can, and then
// one wait for all.
func (e *engine[A, K, V]) againMany(ctx context.Context, p *plan[A, K, V], joined []unsure[A, K, V]) {
	if p.reader == nil || len(joined) < 2 {
		for _, a := range joined {
			a.result, a.err = e.again(ctx, p, a.key, a.arg, a.u)
		}
		return
	}
	keys := make([]K, len(joined))
	for i, a := range joined {
		keys[i] = a.key
	}
	seen := e.loads.ended.Load()
	found, err := ask(e, ctx, p, func(ctx context.Context) ([]*entry.Entry[V], error) { return p.reader.GetMany(ctx, keys) })
	left := ctx.Err() != nil && err != nil && errors.Is(err, ctx.Err())
	if unanswered(err) && !left {
		e.storeFault(ctx, keys[0], err)
	}
	var missing, stale []*asked[A, K, V]
	for i, a := range joined {
		a.current = nil
		if i < len(found) && !p.doubt.has(a.key) {
			a.current = p.trusted(found[i])
		}
		switch {
		case left:
			a.err = e.leaves(err)
		case a.current == nil && unanswered(err) && !a.u.refused: // some could be read, where others could not
			a.result, a.err = e.settle(ctx, p, a.key, statuses.Outcome[V]{Entry: a.u.entry}, true, Joined)
		default:
			switch e.decideOne(ctx, p, a.asked, false) {
			case entry.Stale:
				stale = append(stale, a.asked)
			case entry.Missing:
				missing = append(missing, a.asked)
			}
		}
	}
	e.aheadMany(ctx, p, stale, seen)
	e.waitMany(ctx, p, missing, false, seen, true)
}
