package statuses

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/coarse"
)

// phase is how far an update is.
type phase uint8

const (
	waiting    phase = iota // its load has not begun
	loading                 // its source runs
	publishing              // it is the only one to change what is stored
	ended                   // by its leader
)

// update is guarded by its shard's lock, except for outcome, which is written
// before anybody is woken and only read after.
type update[K comparable, V any] struct {
	registry *InMemory[K, V]
	shard    *shard[K, V]
	rec      *record[K, V]

	phase   phase
	forced  bool   // it must load, whatever is stored
	fenced  bool   // an invalidation or a Set superseded it
	late    bool   // it took too long for those who waited
	loads   bool   // it is counted among the record's running loads
	put     bool   // it is a Set's
	woken   bool   // those who wait have been woken
	pooled  bool   // first is of the pool, to which those of a bubble must not come
	joined  bool   // a caller has joined it
	pressed bool   // one has joined with Force
	said    bool   // a caller has said until when it waits
	open    int32  // callers who have not said so yet
	began   uint64 // where its start stands among all starts and fences
	timer   *clock.Timer
	older   *update[K, V] // the next of the record's superseded ones

	until   time.Duration // the latest that callers have said, since the registry was made; the longest is for ever
	first   chan struct{} // wakes the first who waits, nil while there is none
	done    chan struct{} // that of all others, closed to wake them; nil while there are none
	outcome Outcome[V]
}

func (r *InMemory[K, V]) newUpdate(s *shard[K, V], rec *record[K, V]) *update[K, V] {
	u := &update[K, V]{registry: r, shard: s, rec: rec}
	rec.open++
	if r.lockTimeout > 0 {
		u.timer = r.clock.AfterFunc(r.lockTimeout, func() { u.Late(ErrLockTimeout) })
	}
	return u
}

// Start implements Update. Loads of a key that run at once are at most two,
// the current one and a superseded one. With the function's limit of superseded
// loads reached, a key waits for its own, if that one is in its time; a late
// one may never end, so to wait for it is refused.
func (u *update[K, V]) Start(ctx context.Context, maxRunaway int) (look bool, err error) {
	r, s, rec := u.registry, u.shard, u.rec
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case u.late || u.phase == ended:
			return false, cmp.Or(u.outcome.Err, ErrEnded)
		case u.woken: // by a Set
			return false, ErrEnded
		}
		if rec.current == u {
			full := rec.running > 1 || rec.running == 1 && r.superseded.Load() > int64(maxRunaway)
			switch {
			case rec.running == 0 && r.late.Load() >= int64(maxRunaway),
				full && rec.late == rec.running:
				return false, ErrRunaway
			case !full:
				u.phase, u.loads = loading, true
				u.began = r.sequence.Add(1)
				rec.running++
				return !u.forced && rec.fences == 0, nil
			}
		}
		if err := rec.wait(ctx, s); err != nil {
			return false, err
		}
	}
}

// Publish implements Update.
func (u *update[K, V]) Publish(ctx context.Context) error {
	s, rec := u.shard, u.rec
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case u.phase == ended:
			return ErrEnded
		case u.fenced:
			return ErrFenced
		case u.began < rec.floor:
			return ErrSuperseded
		case !rec.busy:
			rec.busy = true
			rec.floor, rec.published = u.began, max(rec.published, u.began)
			u.phase = publishing
			return nil
		}
		if err := rec.wait(ctx, s); err != nil {
			return err
		}
	}
}

// Yield implements Update. What is stored may not have been touched by what has
// superseded the Put:
//
//	Set(2)      fenced, returns
//	Invalidate           fences ............. releases
//	a call                         finds 1
//
// The record is there as long as the Put has not ended, so it knows of everything
// that was published since.
func (u *update[K, V]) Yield(ctx context.Context) (overtaken bool, err error) {
	s, rec := u.shard, u.rec
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case u.phase == ended:
			return false, ErrEnded
		case !rec.busy:
			rec.busy = true
			u.phase = publishing
			return rec.published > u.began, nil
		}
		if err := rec.wait(ctx, s); err != nil {
			return false, err
		}
	}
}

// End implements Update.
func (u *update[K, V]) End(end Outcome[V]) {
	s, rec := u.shard, u.rec
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.phase != ended {
		u.ends(s, rec, end)
	}
}

// ends is End. The lock is held.
func (u *update[K, V]) ends(s *shard[K, V], rec *record[K, V], end Outcome[V]) {
	published := u.phase == publishing
	if published {
		rec.busy = false
	}
	u.phase = ended
	rec.open--
	if u.timer != nil {
		u.timer.Stop()
	}
	if u.loads { // before anybody is woken, who may come with a key of another shard
		rec.running--
		if u.late {
			rec.late--
			u.registry.late.Add(-1)
		}
		if u.late || u.fenced {
			u.registry.superseded.Add(-1)
		}
	}
	end.Fenced = u.fenced
	u.release(end)
	if u.put && published {
		rec.answer(u, end)
	}
	rec.forget(u)
	rec.detach(u)
	if rec.next == u {
		rec.next = nil
	}
	s.settle(rec)
}

// Shed implements Update. A caller who joins after it has looked finds no update any more:
//
//	refresh   is refused ─ Shed: nobody has joined ─ ends
//	caller                                              Begin: leads
func (u *update[K, V]) Shed(end Outcome[V], joined Claim) (was bool) {
	s, rec := u.shard, u.rec
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.phase >= publishing || u.woken || u.pressed || u.joined && joined != Need {
		return false
	}
	u.ends(s, rec, end)
	return true
}

// Expect implements Update.
func (u *update[K, V]) Expect(until time.Time) {
	at := forEver
	if !until.IsZero() {
		at = until.Sub(u.registry.made)
	}
	s := u.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if !u.said || at > u.until {
		u.until = at
	}
	u.said = true
	u.open--
}

// Expected implements Update.
func (u *update[K, V]) Expected() (until time.Time, known bool) {
	s := u.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.woken {
		return u.registry.made.Add(-forEver / 2), true
	}
	if u.said && u.until < forEver {
		until = u.registry.made.Add(u.until)
	}
	return until, u.said && (u.open <= 0 || until.IsZero())
}

const forEver = time.Duration(math.MaxInt64)

// Late implements Update.
func (u *update[K, V]) Late(err error) bool {
	s, rec := u.shard, u.rec
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.late || u.phase >= publishing || u.woken && !u.loads {
		return false
	}
	if u.timer != nil {
		u.timer.Stop()
	}
	u.late = true
	if u.loads { // before anybody is woken, as in End
		rec.late++
		u.registry.late.Add(1)
		if !u.fenced {
			u.registry.superseded.Add(1)
		}
	}
	u.release(Outcome[V]{Err: err, Fenced: u.fenced})
	switch u {
	case rec.current:
		rec.detach(u)
	case rec.next:
		rec.next = nil
	}
	s.settle(rec)
	return true
}

// release wakes everybody who waits. The shard's lock is held.
func (u *update[K, V]) release(o Outcome[V]) {
	if u.woken {
		return
	}
	u.woken, u.outcome = true, o
	if u.first != nil {
		u.first <- struct{}{}
	}
	if u.done != nil {
		close(u.done)
	}
}

// Wait implements Update. An update that has ended is returned even if the
// context has ended too.
func (u *update[K, V]) Wait(ctx context.Context) (Outcome[V], error) {
	wake, first := u.waits()
	if wake == nil {
		return u.outcome, nil
	}
	if done := ctx.Done(); done == nil { // nobody can leave: spares a select
		<-wake
	} else {
		select {
		case <-wake:
		case <-done:
			if !u.leaves(first) {
				return Outcome[V]{}, ctx.Err()
			}
			<-wake // it is there, or on its way
		}
	}
	if first && u.pooled {
		u.registry.wakes.Put(wake)
	}
	return u.outcome, nil
}

// waits is the channel to wait on, nil where the update has ended.
func (u *update[K, V]) waits() (wake chan struct{}, first bool) {
	s, bubble := u.shard, coarse.Bubble() // which looks at the clock, and is not done under the lock
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case u.woken:
		return nil, false
	case u.first == nil:
		if u.pooled = !bubble; u.pooled {
			u.first = u.registry.wakes.Get().(chan struct{})
		} else {
			u.first = newWake()
		}
		return u.first, true
	case u.done == nil:
		u.done = make(chan struct{})
	}
	return u.done, false
}

// leaves reports whether the update has ended after all. If not, the one who
// leaves is not woken.
func (u *update[K, V]) leaves(first bool) (released bool) {
	s := u.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if first && !u.woken {
		if u.pooled {
			u.registry.wakes.Put(u.first)
		}
		u.first = nil
	}
	return u.woken
}
