package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// Settings is one snapshot of a configuration. A is the type of the function's
// argument, K of its key, V of its value. It must not be changed once it has
// been returned from a Snapshot.
type Settings[A any, K comparable, V any] struct {
	// Configured false makes every call fail with ErrNotConfigured before
	// anything else is looked at: for parts that are put in place later.
	Configured bool
	// MethodTimeout is how long one load may take before those who wait get
	// an error. It is above zero.
	MethodTimeout time.Duration
	// Builder gives a value its life.
	Builder entry.Builder[K, V]
	// Keys makes the key of an argument.
	Keys KeyExtractor[A, K]
	// Storage keeps the entries.
	Storage storage.Storage[K, V]
	// Eviction chooses what is released when there is too much.
	Eviction eviction.Strategy[K]
	// Weigh tells what a value weighs, in the unit of the strategy's capacity:
	// see the option Weigh. Nil: each weighs 1.
	Weigh func(key K, value V) int
	// Tags names what a value belongs to: see the option Tags. Nil: it has no tags.
	Tags func(arg A, value V) []string
	// Postprocessing changes a value on its way to each caller.
	Postprocessing Postprocessing[V]

	// Bypass true makes every call go to the source and touch nothing else.
	Bypass bool
	// FailOnStoreError true makes a call fail where the storage can't say what
	// it holds.
	FailOnStoreError bool
	// ContextValues makes the context whose values a load sees; nil shows all
	// of the call's.
	ContextValues func(call context.Context) context.Context
	// Answers says which errors of the source are answers and no failures.
	Answers Answers
	// StaleIfError is for how long a value is kept after it has expired, to be served
	// where its load fails. Zero: nothing is kept.
	StaleIfError time.Duration
	// SoftTimeout is how long a call waits where it can be given such a value. Zero:
	// no such limit.
	SoftTimeout time.Duration
	// StaleWhen tells which failures are answered with such a value. Nil: all.
	StaleWhen func(err error) bool
	// OnRelease is told of values that leave a *storage.InMemory: see the option
	// OnRelease. Nil: nobody is told.
	OnRelease func(key K, value V, why observe.ReleaseCause)
	// Gather is how long calls for single keys wait for others, for a source that
	// takes many: see the option Gather. Zero gathers nothing.
	Gather time.Duration
	// Guard stands before the source: see the option Guard. Nil: nothing does.
	Guard *guard.Guard
	// Limits bounds what may run; fields that are zero have their defaults.
	Limits Limits

	unbounded bool                // nobody has given the strategy, or its capacity
	resize    *int                // the capacity that the strategy is to have, if it was given after the strategy
	weights   *struct{ _ byte }   // another for each Weigh
	shared    shared[K]           // what options have said of a store
	life      life                // what options have said of lives, for those that come later
	plain     entry.Builder[K, V] // Builder before Jitter
	spans     entry.Builder[K, V] // Builder where UpdateAfter and ExpireAfter, or their defaults, have made it
}

// Limits bounds what may run for one function at a time.
type Limits struct {
	// MaxLoads is how many loads run at once; further ones wait their turn.
	// Default 1024.
	MaxLoads int
	// QueueTimeout is how long a load waits for its turn. Default: the method
	// timeout.
	QueueTimeout time.Duration
	// MaxBackground is how many of them may be background refreshes; a stale
	// hit past it is served and starts nothing. Default 64.
	MaxBackground int
	// MaxRunaway is how many loads that an invalidation or the method timeout
	// superseded may still run. Default 64.
	MaxRunaway int
	// MaxBatch is how many keys a source that takes many is given at once.
	// Default 1000.
	MaxBatch int
	// StoreRead and StoreWrite are how long the storage may take over one
	// operation, unless it is storage.Local. Defaults 100 ms and 250 ms.
	StoreRead, StoreWrite time.Duration
}

// The defaults, most of them py-memoize's.
const (
	DefaultCapacity      = 4096
	DefaultMethodTimeout = 2 * time.Minute
	DefaultMaxLoads      = 1024
	DefaultMaxBackground = 64
	DefaultMaxRunaway    = 64
	DefaultMaxBatch      = 1000
	DefaultStoreRead     = 100 * time.Millisecond
	DefaultStoreWrite    = 250 * time.Millisecond
)

// WithDefaults fills the fields that are zero.
func (l Limits) WithDefaults() Limits {
	return Limits{
		MaxLoads:      cmp.Or(l.MaxLoads, DefaultMaxLoads),
		QueueTimeout:  l.QueueTimeout,
		MaxBackground: cmp.Or(l.MaxBackground, DefaultMaxBackground),
		MaxRunaway:    cmp.Or(l.MaxRunaway, DefaultMaxRunaway),
		MaxBatch:      cmp.Or(l.MaxBatch, DefaultMaxBatch),
		StoreRead:     cmp.Or(l.StoreRead, DefaultStoreRead),
		StoreWrite:    cmp.Or(l.StoreWrite, DefaultStoreWrite),
	}
}

// ErrNotConfigured says that a call came before its configuration was ready.
var ErrNotConfigured = errors.New("config: the cache is called but not configured: apply config.Configured(true) once its parts are in place")

// Validate says everything that is missing or wrong. Parts may be missing while
// Configured is false.
func (s *Settings[A, K, V]) Validate() error {
	if s == nil {
		return errors.New("config: the configuration's snapshot is nil: return the Settings that are in force")
	}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("config: "+format, args...)) }
	for _, part := range []struct {
		name string
		part any
	}{
		{"Builder", s.Builder}, {"Keys", s.Keys}, {"Storage", s.Storage},
		{"Eviction", s.Eviction}, {"Postprocessing", s.Postprocessing},
	} {
		switch {
		case !isNil(part.part):
			if v, ok := part.part.(interface{ Validate() error }); ok {
				if err := v.Validate(); err != nil {
					errs = append(errs, err)
				}
			}
		case s.Configured:
			fault("%s is nil: fill in every part, or set Configured to false until then", part.name)
		}
	}
	if !canCompare(s.Storage) {
		fault("Storage is a %T, which can't be compared with the next one: give a pointer to it", s.Storage)
	}
	if !canCompare(s.Eviction) {
		fault("Eviction is a %T, which can't be compared with the next one: give a pointer to it", s.Eviction)
	}
	if s.Weigh != nil && !isNil(s.Eviction) && !goesByWeight(s.Eviction) {
		fault("Weigh is given, and the strategy %s does not go by weights: use one that is an eviction.Weigher, or leave Weigh out", name(s.Eviction))
	}
	if _, local := s.Storage.(storage.Local); s.Tags != nil && !isNil(s.Storage) && !local {
		fault("Tags is given, and the storage %s is not in memory: what others store there, and what was there before, has no tags that this process knows; leave Tags out, or keep the values in memory", name(s.Storage))
	}
	if s.MethodTimeout < 0 || s.MethodTimeout == 0 && s.Configured {
		fault("method timeout is %v: every load would fail; give more than zero", s.MethodTimeout)
	}
	if _, inMemory := s.Storage.(*storage.InMemory[K, V]); s.OnRelease != nil && !inMemory && !isNil(s.Storage) {
		fault("OnRelease is given, and the storage %s is no *storage.InMemory: keep the values there, or leave OnRelease out", name(s.Storage))
	}
	if s.Guard != nil && s.Limits.MaxLoads > 0 {
		fault("MaxLoads is %d beside the guard %s, which limits loads itself: leave MaxLoads out, or give guard.Between the ceiling", s.Limits.MaxLoads, s.Guard)
	}
	if s.Guard != nil && s.Limits.QueueTimeout > 0 {
		fault("QueueTimeout is %v beside the guard %s, whose queue it is: give it to the guard", s.Limits.QueueTimeout, s.Guard)
	}
	if s.Gather < 0 {
		fault("Gather is %v: give how long calls wait for others, or zero to gather nothing", s.Gather)
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"MaxLoads", int64(s.Limits.MaxLoads)}, {"QueueTimeout", int64(s.Limits.QueueTimeout)}, {"MaxBackground", int64(s.Limits.MaxBackground)},
		{"MaxRunaway", int64(s.Limits.MaxRunaway)}, {"MaxBatch", int64(s.Limits.MaxBatch)},
		{"StoreRead", int64(s.Limits.StoreRead)}, {"StoreWrite", int64(s.Limits.StoreWrite)},
	} {
		if limit.value < 0 {
			fault("limit %s is below zero: give more than zero, or zero for its default", limit.name)
		}
	}
	s.validateAnswers(fault)
	return errors.Join(errs...)
}

func goesByWeight[K comparable](s eviction.Strategy[K]) bool {
	if _, none := s.(module.Unbounded); none {
		return true
	}
	_, weighs := s.(eviction.Weigher[K])
	_, costs := s.(eviction.Coster[K])
	return weighs || costs
}

// Resize is the capacity that the strategy is to have once the settings are in force,
// if Capacity was given to a configuration that has a strategy.
func (s *Settings[A, K, V]) Resize(module.Only) (capacity int, ok bool) {
	if s.resize == nil {
		return 0, false
	}
	return *s.resize, true
}

// SameWeights tells whether other settings weigh as these do.
func (s *Settings[A, K, V]) SameWeights(_ module.Only, other *Settings[A, K, V]) bool {
	return s.weights == other.weights && (s.Weigh == nil) == (other.Weigh == nil)
}

func canCompare(part any) bool { return part == nil || reflect.ValueOf(part).Comparable() }

func isNil(part any) bool {
	if part == nil {
		return true
	}
	switch v := reflect.ValueOf(part); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Interface, reflect.Slice, reflect.Chan:
		return v.IsNil()
	}
	return false
}

// String lists the settings, in the order of py-memoize's.
func (s *Settings[A, K, V]) String() string {
	strategy := name(s.Eviction)
	if s.resize != nil {
		strategy += fmt.Sprintf(" resized to %d", *s.resize)
	}
	return fmt.Sprintf("Settings[configured=%v, method_timeout=%v, entry_builder=%v, key_extractor=%v, storage=%v, eviction_strategy=%v, postprocessing=%v, bypass=%v]",
		s.Configured, s.MethodTimeout, name(s.Builder), name(s.Keys), name(s.Storage), strategy, name(s.Postprocessing), s.Bypass)
}

func name(part any) string {
	if isNil(part) {
		return "none"
	}
	if v, ok := part.(fmt.Stringer); ok {
		return v.String()
	}
	switch v := reflect.ValueOf(part); v.Kind() {
	case reflect.Bool, reflect.Int:
		return fmt.Sprint(part)
	}
	return fmt.Sprintf("%T", part)
}
