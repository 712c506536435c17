package memoize

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/internal/bind"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/internal/wiring"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// engine is what a memoized function is made of. It has no goroutine of its
// own.
type engine[A any, K comparable, V any] struct {
	core[A, K, V]
	source      source[A, V]
	stores      stores[A, K, V]
	evictor     evictor[A, K, V]
	changes     changes[A, K, V]
	gatherer    gatherer[A, K, V]
	editor      editor[A, K, V]
	direct      direct[A, K, V]
	snapshots   snapshots[A, K, V]
	clearing    atomic.Int64 // storages that are being cleared
	supports    []*invalidation.Support[A]
	plainErrors bool
	cleanup     *cleanup
}

// cleanup undoes what a function has registered with others, on Close or when nobody
// uses the function any more. It leads back neither to the function nor to its parts,
// for what they hold may: a value may be a service that has the function in it. So
// whatever it holds of others is weak.
type cleanup struct {
	bindings bind.Bindings
	undo     []func()
	once     sync.Once
}

func (r *cleanup) run() {
	r.once.Do(func() {
		for _, undo := range r.undo {
			undo()
		}
	})
}

// newEngine wires a function up, or says everything that is wrong, errs among
// it.
func newEngine[A any, K comparable, V any](src source[A, V], fn any, c config.CacheConfiguration[A, K, V], w wiring.Wiring, errs []error) (*engine[A, K, V], error) {
	e := &engine[A, K, V]{source: src, plainErrors: w.PlainErrors, cleanup: new(cleanup)}
	e.name, e.hide, e.slots, e.identityKeys, e.plans.bindings = w.Name, w.HideKeys, new(slots.Limit), w.IdentityKeys, &e.cleanup.bindings
	named, ambiguous := true, false
	if e.name == "" {
		e.name = nameOf(fn)
		named = !closure.MatchString(e.name)
		ambiguous = !named || shares(fn)
	}
	settings, err := settingsOf(c)
	errs = append(errs, err)
	if err == nil {
		errs = append(errs, canGather(settings.Gather, src.many != nil, e.name))
	}
	e.dynamicKeys, err = checkType(reflect.TypeFor[K](), w.IdentityKeys)
	if err != nil {
		errs = append(errs, fmt.Errorf("memoize: %s can't have keys of type %v: %w", e.name, reflect.TypeFor[K](), err))
	}
	errs = append(errs, e.takeStatuses(w.Statuses))
	for _, s := range w.InvalidatedBy {
		support, ok := s.(*invalidation.Support[A])
		if ok && support == nil {
			errs = append(errs, fmt.Errorf("memoize: InvalidatedBy is given a nil *invalidation.Support for %s: give it the address of one", e.name))
			continue
		}
		if !ok {
			errs = append(errs, fmt.Errorf("memoize: InvalidatedBy is given a %T, and %s needs a *invalidation.Support[%v]", s, e.name, reflect.TypeFor[A]()))
			continue
		}
		e.supports = append(e.supports, support)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	e.fails = failures[V]()
	e.observing.time, e.observing.counters = &e.time, &e.counters
	e.observing.init(w)
	e.time.Init(w.Clock, w.ExactClock, e.clockWentBack)
	e.life, e.endLife = context.WithCancel(context.Background())
	_, fixed := c.(*config.Fixed[A, K, V])
	_, live := c.(*config.Live[A, K, V]) // says itself when it changes
	e.stores.core = &e.core
	e.stores.budget.Init(&e.time, safely, &PanicError{Value: ErrGoexit})
	e.evictor = evictor[A, K, V]{core: &e.core, stores: &e.stores}
	e.changes = changes[A, K, V]{core: &e.core, stores: &e.stores, evictor: &e.evictor, configuration: c, polled: !fixed && !live, batched: src.many != nil, ambiguous: ambiguous}
	e.gatherer.core = &e.core
	e.editor = editor[A, K, V]{core: &e.core, stores: &e.stores, evictor: &e.evictor, changes: &e.changes}
	e.direct = direct[A, K, V]{core: &e.core, source: src, plainErrors: w.PlainErrors}
	e.snapshots = snapshots[A, K, V]{core: &e.core, stores: &e.stores, evictor: &e.evictor, changes: &e.changes, invalidate: e.invalidateKey, named: named}
	self := weak.Make(e)
	e.runs.Init(&e.time, func() {
		if e := self.Value(); e != nil {
			e.runs.Expire()
		}
	})
	e.stores.sweeper.Init(&e.time, func() {
		if e := self.Value(); e != nil {
			e.evictor.sweep()
		}
	})
	if err := e.enter(settings); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *engine[A, K, V]) takeStatuses(given any) error {
	switch r := given.(type) {
	case nil:
		e.statuses = statuses.NewInMemory[K, V](0, nil)
	case statuses.UpdateStatuses[K, V]:
		e.statuses = r
	default:
		return fmt.Errorf("memoize: UpdateStatuses is given a %T, and %s needs a %v", given, e.name, reflect.TypeFor[statuses.UpdateStatuses[K, V]]())
	}
	return nil
}

// enter binds everything that serves one function and puts the first settings
// in force, or undoes what it did.
func (e *engine[A, K, V]) enter(s *config.Settings[A, K, V]) (err error) {
	defer func() {
		if err != nil {
			e.cleanup.run()
		}
	}()
	if b, ok := e.statuses.(bind.Binder); ok {
		if err := b.Bind(e.name); err != nil {
			return fmt.Errorf("memoize: %s can't use its registry of updates: %w", e.name, err)
		}
		e.cleanup.undo = append(e.cleanup.undo, b.Weak().Unbind)
	}
	for _, support := range e.supports {
		here := weak.Make(support) // it may be a field of what holds the function
		if err := support.Bind(module.Only{}, handle[A, K, V]{e.name, weak.Make(e)}); err != nil {
			return err
		}
		e.cleanup.undo = append(e.cleanup.undo, func() {
			if support := here.Value(); support != nil {
				support.Unbind(module.Only{})
			}
		})
	}
	if live, ok := e.changes.configuration.(*config.Live[A, K, V]); ok {
		e.cleanup.undo = append(e.cleanup.undo, e.changes.watch(live))
		s = live.Snapshot() // which may have changed before
	}
	p, err := e.changes.preparePlan(s)
	if err != nil {
		return err
	}
	e.changes.commit(p)
	runtime.AddCleanup(e, func(r *cleanup) {
		r.run()
		r.bindings.ReleaseAll()
	}, e.cleanup)
	return nil
}

// closure matches the names that Go gives to functions that have none.
var closure = regexp.MustCompile(`\.func[0-9]+(\.|$)|^function$`)

// shares tells whether other functions have the name that Go gives to one: methods that
// are bound to other receivers, and instances of a generic function.
func shares(fn any) bool {
	f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer())
	return f == nil || strings.HasSuffix(f.Name(), "-fm") || strings.Contains(f.Name(), "[")
}

// nameOf is the name of a Go function as people write it.
func nameOf(fn any) string {
	f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer())
	if f == nil {
		return "function"
	}
	full := f.Name()
	full = strings.TrimSuffix(full, "-fm")
	if i := strings.LastIndexByte(full, '/'); i >= 0 {
		full = full[i+1:]
	}
	if i := strings.IndexByte(full, '['); i >= 0 { // type arguments
		full = full[:i]
	}
	return full
}

// errorFor is the error of a load for the call that led it, or one that joined.
// What is no LoadError comes from a registry that ended the update by itself.
func (e *engine[A, K, V]) errorFor(err error, key K, join bool) error {
	l, ok := err.(*LoadError)
	if !ok {
		l = newLoadError(e.name, e.show(key), TimedOut, err)
	}
	switch {
	case e.plainErrors && l.Reason != TimedOut:
		return l.Err
	case join:
		return l.joined
	}
	return l
}

func (e *engine[A, K, V]) clockWentBack(d time.Duration) {
	e.tell(e.life, observe.Event{Kind: observe.ClockBackwards, First: true, Duration: d})
}

// inside tells whether the call is made by a load that it would wait for: the
// one that runs the update, or with a nil update any of the key.
func (e *engine[A, K, V]) inside(ctx context.Context, key K, update statuses.Update[V]) bool {
	found := false
	runs.Outer(ctx).Chain(func(outer *runs.Run) bool {
		l, ok := outer.Runner.(*load[A, K, V])
		if !ok || l.e != e {
			return true
		}
		for i := range l.jobs { // whose keys and updates don't change
			j := &l.jobs[i]
			found = found || j.update == update || update == nil && j.key == key
		}
		return !found
	})
	return found
}
