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
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// engine is what a memoized function is made of. It has no goroutine of its
// own. Its lock guards changes of the configuration; no call takes it.
type engine[A any, K comparable, V any] struct {
	observing[K]
	source        source[A, V]
	configuration config.CacheConfiguration[A, K, V]
	asked         bool // for a snapshot by every call
	plan          atomic.Pointer[plan[A, K, V]]
	statuses      statuses.UpdateStatuses[K, V]
	time          timeline
	plainErrors   bool
	identityKeys  bool
	dynamicKeys   bool // a key may hold anything, so each is looked at
	unnamed       bool // its name is that of a closure
	ambiguous     bool // its name is, or other functions have it too
	counters      counters
	loads         loads
	slots         *slots.Limit  // MaxLoads; apart, for contexts that outlive their loads lead to it
	fills         atomic.Uint64 // of storages that are fenced, accepted or not
	backoff       backoff[K]
	overdue       atomic.Int64 // operations of the storage that were left and still run
	sweeper       sweeper
	clearing      atomic.Int64 // storages that are being cleared
	supports      []*invalidation.Support[A]
	remains       *remains
	life          context.Context // ends when Close gives up
	endLife       context.CancelFunc
	rejected      atomic.Pointer[config.Settings[A, K, V]] // the last that could not be used

	mu      sync.Mutex
	retired []*plan[A, K, V] // out of force, and in use
	doubted map[storage.Storage[K, V]]*doubts[K]
	closed  bool
}

// remains is what a function leaves with others, to be taken away when it is
// closed or nobody uses it any more. It leads back neither to the function nor to
// its parts, for what they hold may: a value may be a service that has the function
// in it. So whatever it holds of others is weak.
type remains struct {
	bindings bind.Bindings
	undo     []func()
	once     sync.Once
}

func (r *remains) clear() {
	r.once.Do(func() {
		for _, undo := range r.undo {
			undo()
		}
	})
}

// newEngine wires a function up, or says everything that is wrong, errs among
// it.
func newEngine[A any, K comparable, V any](src source[A, V], fn any, c config.CacheConfiguration[A, K, V], w config.Wiring, errs []error) (*engine[A, K, V], error) {
	e := &engine[A, K, V]{
		source: src, configuration: c,
		plainErrors: w.PlainErrors, identityKeys: w.IdentityKeys,
		remains: new(remains), slots: new(slots.Limit),
	}
	e.name, e.hide = w.Name, w.HideKeys
	if e.name == "" {
		e.name = nameOf(fn)
		e.unnamed = closure.MatchString(e.name)
		e.ambiguous = e.unnamed || shares(fn)
	}
	settings, err := settingsOf(c)
	errs = append(errs, err)
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

	e.observing.time, e.observing.counters = &e.time, &e.counters
	e.observing.init(w)
	e.time.init(w.Clock, w.ExactClock, e.clockWentBack)
	e.life, e.endLife = context.WithCancel(context.Background())
	_, fixed := c.(*config.Fixed[A, K, V])
	_, live := c.(*config.Live[A, K, V]) // says itself when it changes
	e.asked = !fixed && !live
	self := weak.Make(e)
	e.loads.init(&e.time, func() {
		if e := self.Value(); e != nil {
			e.loads.expire()
		}
	})
	e.sweeper.init(&e.time, func() {
		if e := self.Value(); e != nil {
			e.sweep()
		}
	})
	if err := e.enter(settings); err != nil {
		return nil, err
	}
	return e, nil
}

// settingsOf is the configuration's first snapshot, checked.
func settingsOf[A any, K comparable, V any](c config.CacheConfiguration[A, K, V]) (*config.Settings[A, K, V], error) {
	if c == nil || reflect.ValueOf(c).Kind() == reflect.Pointer && reflect.ValueOf(c).IsNil() {
		return nil, errors.New("memoize: the configuration is nil: use config.InMemory, or memoize.New with options")
	}
	if f, ok := c.(interface{ Err() error }); ok {
		if err := f.Err(); err != nil {
			return nil, err
		}
	}
	s := c.Snapshot()
	return s, s.Validate()
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
			e.remains.clear()
		}
	}()
	if b, ok := e.statuses.(bind.Binder); ok {
		if err := b.Bind(e.name); err != nil {
			return fmt.Errorf("memoize: %s can't use its registry of updates: %w", e.name, err)
		}
		e.remains.undo = append(e.remains.undo, b.Weak().Unbind)
	}
	for _, support := range e.supports {
		here := weak.Make(support) // it may be a field of what holds the function
		if err := support.Bind(handle[A, K, V]{e.name, weak.Make(e)}); err != nil {
			return err
		}
		e.remains.undo = append(e.remains.undo, func() {
			if support := here.Value(); support != nil {
				support.Unbind()
			}
		})
	}
	if live, ok := e.configuration.(*config.Live[A, K, V]); ok {
		e.remains.undo = append(e.remains.undo, e.watch(live))
		s = live.Snapshot() // which may have changed before
	}
	p, err := e.preparePlan(s)
	if err != nil {
		return err
	}
	e.commit(p)
	runtime.AddCleanup(e, func(r *remains) {
		r.clear()
		r.bindings.ReleaseAll()
	}, e.remains)
	return nil
}

// watch takes part in changes of a live configuration, without keeping a
// function alive that nobody uses any more.
func (e *engine[A, K, V]) watch(live *config.Live[A, K, V]) (stop func()) {
	self := weak.Make(e)
	nothing := config.Change{Commit: func() {}, Abort: func() {}}
	var changes uint64
	return live.Watch(&config.Watcher[A, K, V]{Prepare: func(s *config.Settings[A, K, V]) (config.Change, error) {
		e := self.Value()
		if e == nil {
			return nothing, nil
		}
		if p := e.plan.Load(); p != nil && p.off == ErrClosed {
			return nothing, nil
		}
		next, err := e.prepareSafely(s)
		if err != nil {
			return nothing, err
		}
		changes++ // Prepare is called for one change at a time
		next.order = changes
		return config.Change{
			Commit: func() { e.commit(next) },
			Abort:  func() { e.remains.bindings.Release(next.bound) },
		}, nil
	}})
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

// refused, leaves and errorFor are the ends of calls that return an error.

func (e *engine[A, K, V]) refused(err error) error {
	e.counters.end(failed)
	return err
}

// unanswered is the end of a call that the storage can't answer, by the caller's
// own context or because calls are to fail then.
func (e *engine[A, K, V]) unanswered(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return e.refused(err)
	}
	return e.leaves(err)
}

func (e *engine[A, K, V]) leaves(err error) error {
	e.counters.end(left)
	return err
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
	outerLoad(ctx).chain(func(outer *flight) bool {
		l, ok := outer.owner.(*load[A, K, V])
		if !ok || l.engine != e {
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
