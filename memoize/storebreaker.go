package memoize

import (
	"context"
	"errors"
	"time"

	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/digest"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// A store that is away costs each call its budget, or what it takes to find no connection.
// So there is a breaker before it, one for each storage.Store, and one for each other
// storage that is not in memory. It spares looks, claims, and what loads store. What a
// caller says of a key (Set, Touch, Update, Invalidate) always goes to the store, for the
// caller is to know what has become of it.

// storePolicy opens where nothing of the store succeeds: one node of several that is away,
// or a few keys that can't be read, do not open it.
var storePolicy = breaker.Policy{Failures: 16, Keys: 4, AnyKey: 5 * time.Second, Silence: 500 * time.Millisecond, Every: time.Second}

// errSpared is the error of an operation that the store was spared.
var errSpared = errors.New("memoize: the store does not answer, and is asked once a second only until it does: see that it runs and can be reached")

// breakerOf is that of a storage, nil for one in memory.
func breakerOf(s any, local bool) *breaker.Breaker {
	if local || s == nil {
		return nil
	}
	if shared, ok := s.(interface {
		Breaker(module.Only) *breaker.Breaker
	}); ok {
		b := shared.Breaker(module.Only{})
		b.Start(storePolicy)
		return b
	}
	b := new(breaker.Breaker)
	b.Set(storePolicy)
	return b
}

// enter asks the breaker before an operation, which must be made in any case or not.
func (s *stores[A, K, V]) enter(p *plan[A, K, V], must bool) (t breaker.Ticket, ok bool) {
	switch {
	case p.breaker == nil:
		return t, true
	case must:
		return p.breaker.Through(), true
	}
	if t, ok = p.breaker.IfClosed(); !ok {
		t, ok = p.breaker.Enter(s.core.time.Steady())
	}
	if !ok {
		s.core.counters.storeSpared.Add(1)
	}
	return t, ok
}

// leave tells the breaker what has become of an operation for so many keys, the first of
// which is given.
func (s *stores[A, K, V]) leave(ctx context.Context, p *plan[A, K, V], t breaker.Ticket, key K, n int, err error) {
	if p.breaker == nil {
		return
	}
	o := breaker.Success
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		o = breaker.None
	case !answered(err, n):
		o = breaker.Failure
	}
	hash := uint64(0)
	if o == breaker.Failure {
		hash = digest.Of(key)[0]
	}
	state, changed := p.breaker.Leave(t, s.core.time.Steady(), o, hash)
	switch {
	case !changed:
	case state == breaker.Closed:
		s.core.tell(ctx, observe.Event{Kind: observe.StoreBack})
	default:
		s.core.tell(ctx, observe.Event{Kind: observe.StoreDown, First: true, Err: brief(s.core.hiding(err))})
	}
}

// answered tells whether an error of an operation for so many keys comes from a store that
// answers: for one of the keys at least.
func answered(err error, n int) bool {
	for i := range n {
		fault := storage.FaultOf(err, i)
		if fault == nil || errors.Is(fault, storage.ErrUnreadable) || errors.Is(fault, storage.ErrUnstorable) || errors.Is(fault, storage.ErrRefused) || errors.Is(fault, storage.ErrQueued) {
			return true
		}
	}
	return false
}
