package memoize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/postponed"
)

// update changes what is stored for a key in one step. It is tried until nobody has changed
// the key between the look at what is stored and the store:
//
//	Update   looks ─ change runs ........ holds the key ─ changed: again
//	others             set, load, evict
//
// Over a store that processes share it looks with a claim, and the store refuses the new
// value where another process has changed the key: storage.Swapper.
//
// What others do is not kept waiting by change, which may take long. Only Updates wait for
// one another: else those of one key would each run again for all that come before.
func (e *editor[A, K, V]) update(ctx context.Context, arg A, change func(old V, ok bool) (V, error)) (value V, err error) {
	if change == nil {
		return value, fmt.Errorf("memoize: Update of %s is given a nil function: give it one that returns the new value", e.core.name)
	}
	for {
		stored, err := e.updateOnce(ctx, arg, change, &value)
		if stored || err != nil {
			return value, err
		}
	}
}

// updateOnce is one try. It is false without an error if something has changed the key.
func (e *editor[A, K, V]) updateOnce(ctx context.Context, arg A, change func(old V, ok bool) (V, error), value *V) (stored bool, err error) {
	p, key, err := e.changes.prepareToWrite(ctx, arg)
	if err != nil {
		return false, err
	}
	defer e.core.plans.unuse(p)
	w, stored, err := e.updateInTurn(ctx, p, key, arg, change, value)
	if w.named {
		e.evictor.evict(ctx, p, w.victim)
	}
	if err != nil {
		var none V
		*value, err = none, fmt.Errorf("memoize: Update of %s for key %s: %w", e.core.name, e.core.show(key), err)
	}
	return stored, err
}

// updateInTurn is updateOnce while no other Update of the key runs. What it has to tell of
// is told afterwards, for who is told may update the key.
func (e *editor[A, K, V]) updateInTurn(ctx context.Context, p *plan[A, K, V], key K, arg A, change func(old V, ok bool) (V, error), value *V) (w writeResult[K, V], stored bool, err error) {
	switch {
	case key != key:
		return w, false, fmt.Errorf("%w: it is not equal to itself, so what is stored could not be found again", ErrKey)
	case !p.local && p.swapper == nil:
		return w, false, fmt.Errorf("%w: Update needs a storage.Local or a storage.Swapper, and %s has a %T", ErrUnsupported, e.core.name, p.settings.Storage)
	case e.core.updates.within(key):
		return w, false, ErrRecursion
	}
	held, events := postponed.Hold(ctx)
	defer events.Tell()
	turn, err := e.core.updates.take(ctx, key)
	if err != nil {
		return w, false, err
	}
	defer e.core.updates.give(key, turn)
	var began uint64
	if p.settings.Tags != nil { // as a load, it is older than an invalidation of a tag that comes while change runs
		began = e.core.tags.Begin()
		defer e.core.tags.End(began)
	}
	looked := e.core.time.Steady()
	var current *entry.Entry[V]
	if p.local {
		current, err = e.stores.look(held, p, key)
	} else {
		current, w.was, err = e.stores.lookToSwap(held, p, key)
	}
	if err != nil {
		return w, false, err
	}
	var old V
	ok := false
	if current != nil {
		if _, _, state := e.core.time.Decide(&current.Meta); state.Servable() {
			old, ok = current.Value, true
		}
	}
	err = safely(func() (err error) {
		*value, err = change(old, ok)
		return err
	})
	if _, panicked := err.(*PanicError); panicked {
		_ = e.core.panicked(held, err)
	}
	if err != nil {
		return w, false, err
	}
	ended := false // what was found, while change ran
	if ok {
		_, _, state := e.core.time.Decide(&current.Meta)
		ended = !state.Servable()
	}
	if w.was != nil && e.core.time.Steady().Sub(looked) > p.timeout {
		return w, false, errUpdateTimeout
	}
	b, err := e.build(held, p, key, *value, nil)
	if err == nil && p.settings.Tags != nil {
		err = e.tagsOfSet(held, p, key, &b, arg)
	}
	b.stays = ok && samePointer(old, *value)
	if err == nil && !ended {
		stored, err = e.updateHeld(held, p, key, turn, &b, began, &w)
	}
	if !b.stays { // else others tell of it
		e.stores.neverStored(held, p, key, *value, &w)
	}
	if len(b.tags) > 0 {
		e.core.tidyBehind(len(b.tags))
	}
	return w, stored, err
}

// errUpdateTimeout is the error of an Update whose claim may have ended.
var errUpdateTimeout = errors.New("the function took longer than the method timeout, for which a store that processes share keeps its claim: make it faster, or raise config.MethodTimeout")

// updateHeld stores what change has returned, if the key is as it was.
func (e *editor[A, K, V]) updateHeld(ctx context.Context, p *plan[A, K, V], key K, turn *turn, b *built[V], began uint64, w *writeResult[K, V]) (stored bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if e.core.updates.changed(turn) { // spares the loads that run from being fenced
		return false, nil
	}
	if err := e.core.statuses.Hold(ctx, key, true); err != nil {
		return false, err
	}
	defer e.core.statuses.Free(key, true)
	if e.core.updates.changed(turn) || !e.core.plans.current.Load().sameStorage(p) {
		return false, nil
	}
	if len(b.tags) > 0 {
		if !e.core.enterTags(p, key, b, began) {
			return false, nil
		}
		defer e.core.tags.Settle(key)
	}
	e.core.backoff.Clear(key)
	w.sets = true
	switch err = e.stores.store(ctx, p, key, b, e.core.time.Now(), w); {
	case w.fault != nil && w.was != nil:
		return false, notSwapped(w.fault)
	case w.fault != nil:
		return false, notStored(w.fault)
	case !w.kept: // another process has changed the key, or the storage was emptied
		return false, nil
	}
	e.releaseElsewhere(ctx, p, key)
	return true, err
}

// updates are the keys that Update changes now.
type updates[K comparable] struct {
	running atomic.Int64 // whoever changes a key need look no further while it is zero
	mu      sync.Mutex
	keys    map[K]*turn
}

// turn is what the Updates of one key take, one after the other. What is below free is
// guarded by the lock.
type turn struct {
	free      chan struct{} // has a token while nobody has the turn
	users     int           // who has it or waits for it
	changed   bool          // the key was, since who has the turn has got it
	goroutine uint64        // of who has it
}

// take waits for the key's turn. It is taken before the key is looked at: what changes it
// afterwards is seen by changed.
func (u *updates[K]) take(ctx context.Context, key K) (*turn, error) {
	u.running.Add(1)
	u.mu.Lock()
	t := u.keys[key]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		if u.keys == nil {
			u.keys = map[K]*turn{}
		}
		u.keys[key] = t
	}
	t.users++
	u.mu.Unlock()
	select {
	case <-t.free:
	case <-ctx.Done():
		u.leave(key, t)
		return nil, ctx.Err()
	}
	here := goroutine()
	u.mu.Lock()
	defer u.mu.Unlock()
	t.changed, t.goroutine = false, here
	return t, nil
}

// give ends what take began.
func (u *updates[K]) give(key K, t *turn) {
	u.mu.Lock()
	t.goroutine = 0
	u.mu.Unlock()
	t.free <- struct{}{}
	u.leave(key, t)
}

func (u *updates[K]) leave(key K, t *turn) {
	u.mu.Lock()
	if t.users--; t.users == 0 {
		delete(u.keys, key)
	}
	u.mu.Unlock()
	u.running.Add(-1)
}

// mark is called by whoever has changed what is stored for a key, or has made sure that
// nothing is, while nobody else may: an Update that has looked before that looks again.
func (u *updates[K]) mark(key K) {
	if u.running.Load() == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if t := u.keys[key]; t != nil {
		t.changed = true
	}
}

// changed tells whether the key was changed since the turn was taken.
func (u *updates[K]) changed(t *turn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return t.changed
}

// within tells whether the caller is an Update's change of the key, on its goroutine. To
// change the key there would wait for itself, or be done again for ever.
func (u *updates[K]) within(key K) bool {
	if u.running.Load() == 0 {
		return false
	}
	here := goroutine()
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.keys[key]
	return t != nil && t.goroutine == here && here != 0
}

// goroutine is the number of the goroutine that it is called on, which the runtime tells
// only in the first line of a stack. change gets no context that would say where a call
// comes from.
func goroutine() uint64 {
	var room [64]byte
	text, _ := bytes.CutPrefix(room[:runtime.Stack(room[:], false)], []byte("goroutine "))
	number, _, _ := bytes.Cut(text, []byte(" "))
	n, _ := strconv.ParseUint(string(number), 10, 64)
	return n
}
