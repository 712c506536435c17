package memoize

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/internal/bind"
	"github.com/perennial-go/perennial/internal/doubts"
	"github.com/perennial-go/perennial/storage"
)

// plans are the plan in force and those out of force that something still uses:
// invalidations reach the storages of all of them.
type plans[A any, K comparable, V any] struct {
	current  atomic.Pointer[plan[A, K, V]]
	bindings *bind.Bindings

	mu      sync.Mutex
	retired []*plan[A, K, V] // out of force, and in use
	doubted map[storage.Storage[K, V]]*doubts.Keys[K]
	closed  bool
}

// lease keeps a plan from being let go of while it is used. It is the part of a plan
// that changes.
type lease struct {
	uses    atomic.Int64 // dropped once the plan was let go of
	retired atomic.Bool  // another plan is in force
}

const dropped = -1

// take uses the plan, until give. It is false if the plan was let go of.
func (l *lease) take() bool {
	for {
		n := l.uses.Load()
		if n == dropped {
			return false
		}
		if l.uses.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// drop lets go of a plan that is not used.
func (l *lease) drop() bool { return l.uses.CompareAndSwap(0, dropped) }

// use is the plan, or the one in force if that was let go of, which is used until
// unuse: invalidations do not reach the storage of the former.
func (s *plans[A, K, V]) use(p *plan[A, K, V]) *plan[A, K, V] {
	for !p.lease.take() {
		p = s.current.Load()
	}
	return p
}

// useCurrent uses the plan if it is in force, until unuse.
func (s *plans[A, K, V]) useCurrent(p *plan[A, K, V]) bool {
	if !p.lease.take() {
		return false
	}
	if s.current.Load() != p {
		s.unuse(p)
		return false
	}
	return true
}

// useAll uses the plan in force, and those out of force that something still uses,
// until unuse of each.
func (s *plans[A, K, V]) useAll(into []*plan[A, K, V]) []*plan[A, K, V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(append(into, s.current.Load()), s.retired...)
	for _, p := range all {
		p.lease.take() // none of them is dropped but under the lock
	}
	return all
}

// unuse ends use, useCurrent and useAll.
func (s *plans[A, K, V]) unuse(p *plan[A, K, V]) {
	if p.lease.uses.Add(-1) == 0 && p.lease.retired.Load() {
		s.dropUnused()
	}
}

// dropUnused lets go of plans that are out of force and that nothing uses.
func (s *plans[A, K, V]) dropUnused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = slices.DeleteFunc(s.retired, func(p *plan[A, K, V]) bool {
		gone := p.lease.drop()
		if gone {
			s.bindings.Release(p.bound)
		}
		return gone
	})
}

// add lists a plan that is used, and never was in force.
func (s *plans[A, K, V]) add(p *plan[A, K, V]) {
	p.lease.uses.Store(1)
	p.lease.retired.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = append(s.retired, p)
}

// replace puts next in the place of last, if its settings are those that the
// configuration wants.
func (s *plans[A, K, V]) replace(next *plan[A, K, V], wanted *config.Settings[A, K, V]) (last *plan[A, K, V], changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last = s.current.Load()
	overtaken := last != nil && (last.settings == next.settings || last.order > next.order || wanted != next.settings)
	if s.closed || overtaken {
		s.bindings.Release(next.bound)
		return last, false
	}
	next.doubt = s.doubtsOf(next.settings.Storage)
	if last != nil && last.sameStorage(next) {
		next.breaker = last.breaker
	}
	if last != nil && last.sameStorage(next) && last.sameStrategy(next) {
		next.reported = last.reported
	}
	s.put(last, next)
	return last, true
}

// close puts a plan in force that refuses calls.
func (s *plans[A, K, V]) close(dynamicKeys bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	last := s.current.Load()
	end := newPlan(last.settings, dynamicKeys)
	end.off, end.doubt, end.reported = ErrClosed, last.doubt, last.reported // for loads that still end
	s.put(last, end)
}

// put puts next in force. The lock is held.
func (s *plans[A, K, V]) put(last, next *plan[A, K, V]) {
	if last != nil {
		last.lease.retired.Store(true)
		s.retired = append(s.retired, last)
	}
	s.current.Store(next)
}

// doubtsOf is what is in doubt of a storage. It may have been in force before, and is
// still in doubt then if a plan that has it is in use or a write to it has not come
// back. The lock is held.
func (s *plans[A, K, V]) doubtsOf(of storage.Storage[K, V]) *doubts.Keys[K] {
	for known, d := range s.doubted {
		has := func(p *plan[A, K, V]) bool { return p != nil && p.settings.Storage == known }
		if !has(s.current.Load()) && !slices.ContainsFunc(s.retired, has) && !d.Pending() {
			delete(s.doubted, known)
		}
	}
	if s.doubted[of] == nil {
		if s.doubted == nil {
			s.doubted = map[storage.Storage[K, V]]*doubts.Keys[K]{}
		}
		s.doubted[of] = new(doubts.Keys[K])
	}
	return s.doubted[of]
}
