package config

import (
	"errors"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/perennial-go/perennial/internal/module"
)

// CacheConfiguration says how a function is memoized. Snapshot is called once
// by every call of the function, concurrently: it should be one atomic load,
// and return the same pointer until something changes. What it returns is never
// changed. If a later snapshot is nil or one that Validate refuses, the one
// before stays in force and the function's observer is told.
type CacheConfiguration[A any, K comparable, V any] interface {
	Snapshot() *Settings[A, K, V]
}

// Fixed is a configuration that does not change.
type Fixed[A any, K comparable, V any] struct {
	settings *Settings[A, K, V]
	err      error
}

// InMemory is the default configuration, changed by options: values live 30
// minutes and are refreshed after 10, at most 4096 are kept, as eviction.TinyLFU
// chooses, a load may take 2 minutes. Its storage is its own, so one configuration
// serves one function. What is wrong with the options is reported by memoize.Memoize
// and by Err.
//
// It is py-memoize's DefaultInMemoryCacheConfiguration, except that there the value
// that was updated longest ago goes first: for that, give
// Evict(eviction.LeastRecentlyUpdated[K](4096)).
func InMemory[K comparable, V any](opts ...Option) *Fixed[K, K, V] {
	return InMemoryKeyed[K, K, V](Identity[K](), opts...)
}

// InMemoryKeyed is InMemory for arguments that are no keys themselves.
func InMemoryKeyed[A any, K comparable, V any](keys KeyExtractor[A, K], opts ...Option) *Fixed[A, K, V] {
	settings := &Settings[A, K, V]{Keys: keys}
	err := settings.fill(opts)
	return &Fixed[A, K, V]{settings: settings, err: err}
}

// Of is a fixed configuration of your own parts. All of them are needed, and
// Configured must be true, for nothing can be put in place later: what is missing
// is reported by memoize.Memoize and by Err. Limits that are zero have defaults.
func Of[A any, K comparable, V any](settings Settings[A, K, V]) *Fixed[A, K, V] {
	err := settings.Validate()
	if !settings.Configured {
		err = errors.Join(errors.New("config: Of is given Settings that are not Configured, and a fixed configuration does not change: set Configured, or use config.Mutable"), err)
	}
	return &Fixed[A, K, V]{settings: &settings, err: err}
}

// Snapshot returns the settings.
func (c *Fixed[A, K, V]) Snapshot() *Settings[A, K, V] { return c.settings }

// Err is what was wrong when the configuration was made.
func (c *Fixed[A, K, V]) Err() error { return c.err }

// Live is a configuration that can be changed while functions use it. Its
// methods may be called concurrently.
//
// It is py-memoize's MutableCacheConfiguration.
type Live[A any, K comparable, V any] struct {
	current  atomic.Pointer[Settings[A, K, V]]
	mu       sync.Mutex // held by one change at a time
	watchers map[*module.Watcher[Settings[A, K, V]]]struct{}
	err      error // of the configuration it was made from
}

// Mutable starts from the present settings of another configuration, whose
// parts it shares.
func Mutable[A any, K comparable, V any](from CacheConfiguration[A, K, V]) *Live[A, K, V] {
	c := new(Live[A, K, V])
	if isNil(from) {
		c.err = errors.New("config: Mutable is given a nil configuration: start from config.InMemory")
		return c
	}
	if f, ok := from.(interface{ Err() error }); ok {
		c.err = f.Err()
	}
	c.current.Store(from.Snapshot())
	if c.err == nil && c.current.Load() == nil {
		c.err = errors.New("config: Mutable is given a configuration without settings: its Snapshot is nil")
	}
	return c
}

// Snapshot returns the settings in force.
func (c *Live[A, K, V]) Snapshot() *Settings[A, K, V] { return c.current.Load() }

// Err is what was wrong when the configuration was made, until Replace puts it
// right.
func (c *Live[A, K, V]) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Apply changes settings. All the options take effect in one step, for calls
// that begin from now on; where one of them is wrong, or a part of theirs
// can't be put in force by a function that uses the configuration, none does
// and the error says why. Options that concern the function itself (Name,
// Clock and so on) are refused.
//
// A storage in memory that is put in force is cleared; loads that run end in
// the storage they began with. Any other may hold what was invalidated while it
// was out of force, and would serve it: clear it before it comes back. A new
// strategy is told of the keys that are held and releases down to its capacity.
func (c *Live[A, K, V]) Apply(opts ...Option) error {
	return c.change(func() (*Settings[A, K, V], error) {
		if c.err != nil {
			return nil, c.err
		}
		if c.current.Load() == nil {
			return nil, errors.New("config: this Live has no settings to change: make it with config.Mutable")
		}
		next := *c.current.Load()
		return &next, next.apply(opts)
	})
}

// Replace puts settings of your own in force, under the rules of Apply.
func (c *Live[A, K, V]) Replace(settings Settings[A, K, V]) error {
	return c.change(func() (*Settings[A, K, V], error) { return &settings, settings.Validate() })
}

// change puts the settings that next returns in force, if every function that
// uses the configuration agrees. What follows from it is done with no lock
// held, for strategies and observers are told of it.
func (c *Live[A, K, V]) change(next func() (*Settings[A, K, V], error)) error {
	changes, err := c.prepare(next)
	if err != nil {
		return err
	}
	for _, change := range changes {
		change.Commit()
	}
	return nil
}

func (c *Live[A, K, V]) prepare(settings func() (*Settings[A, K, V], error)) (changes []module.Change, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := settings()
	if err != nil {
		return nil, err
	}
	agreed := false
	defer func() { // also if a Prepare panics
		if !agreed {
			for _, prepared := range changes {
				prepared.Abort()
			}
			changes = nil
		}
	}()
	for w := range c.watchers {
		change, err := w.Prepare(next)
		if err != nil {
			return changes, err
		}
		changes = append(changes, change)
	}
	agreed = true
	c.err = nil
	c.current.Store(next)
	return changes, nil
}

// Watch makes w part of every change from now on; stop ends that. It does not keep
// the configuration alive, whose parts may hold values that lead back to who watches.
func (c *Live[A, K, V]) Watch(_ module.Only, w *module.Watcher[Settings[A, K, V]]) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watchers == nil {
		c.watchers = map[*module.Watcher[Settings[A, K, V]]]struct{}{}
	}
	c.watchers[w] = struct{}{}
	here := weak.Make(c)
	return func() {
		c := here.Value()
		if c == nil {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, w)
	}
}
