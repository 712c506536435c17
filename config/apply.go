package config

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/storage"
)

// fill gives fresh settings their defaults and applies the options.
func (s *Settings[A, K, V]) fill(opts []Option) error {
	s.Configured = true
	s.MethodTimeout = DefaultMethodTimeout
	s.Builder = new(entry.LifeSpan[K, V])
	s.plain, s.spans = s.Builder, s.Builder
	s.Storage = storage.NewInMemory[K, V]()
	s.Postprocessing = NoPostprocessing[V]()
	return s.apply(opts)
}

// apply changes the settings as the options say, or says everything that is
// wrong with them; then s is not to be used.
func (s *Settings[A, K, V]) apply(opts []Option) error {
	d := draft{life: s.life}
	for _, o := range opts {
		switch {
		case o.set == nil:
			d.fault("a zero Option: make options with the functions of this package")
		case o.wired:
			d.fault("%s concerns the function, not a configuration: pass it to memoize.New or memoize.Memoize", o.name)
		default:
			o.set(&d)
		}
	}
	d.plausible()
	guarded := s.Guard != nil
	if assign(&s.Guard, d.guard); d.guard != nil && s.Guard != nil { // it takes their place
		s.Limits.MaxLoads, s.Limits.QueueTimeout = 0, 0
	}
	s.applyLife(&d, guarded != (s.Guard != nil))
	if d.capacity != nil && d.eviction != nil {
		d.fault("Capacity and Evict exclude each other: give the strategy its capacity")
	}
	s.applyEviction(&d)
	fit(&d, "Keys", d.keys, &s.Keys)
	s.applyStorage(&d)
	if d.tags != nil {
		fit(&d, "Tags", d.tags, &s.Tags)
	}
	fit(&d, "Postprocess", d.postprocessing, &s.Postprocessing)
	assign(&s.Configured, d.configured)
	assign(&s.Bypass, d.bypass)
	assign(&s.FailOnStoreError, d.failOnStoreError)
	if d.contextValues != nil {
		fit(&d, "ContextValues", d.contextValues, &s.ContextValues)
	}
	if d.onRelease != nil {
		fit(&d, "OnRelease", d.onRelease, &s.OnRelease)
	}
	assign(&s.MethodTimeout, d.methodTimeout)
	s.applyAnswers(&d)
	assign(&s.Gather, d.gather)
	positive(&d, "MaxLoads", &s.Limits.MaxLoads, d.maxLoads)
	positive(&d, "QueueTimeout", &s.Limits.QueueTimeout, d.queueTimeout)
	positive(&d, "MaxBackground", &s.Limits.MaxBackground, d.maxBackground)
	positive(&d, "MaxRunaway", &s.Limits.MaxRunaway, d.maxRunaway)
	positive(&d, "MaxBatch", &s.Limits.MaxBatch, d.maxBatch)
	positive(&d, "StoreBudget for reads", &s.Limits.StoreRead, d.storeRead)
	positive(&d, "StoreBudget for writes", &s.Limits.StoreWrite, d.storeWrite)
	return errors.Join(append(d.errs, s.Validate())...)
}

// applyEviction makes the strategy, or has the one that is there resized.
func (s *Settings[A, K, V]) applyEviction(d *draft) {
	if d.eviction != nil {
		fit(d, "Evict", d.eviction, &s.Eviction)
		s.resize = nil
	}
	if d.eviction != nil || d.capacity != nil {
		s.unbounded = false
	}
	if d.weigh != nil {
		fit(d, "Weigh", d.weigh, &s.Weigh)
		s.weights = new(struct{ _ byte })
	}
	if d.capacity != nil && *d.capacity < 0 {
		d.fault("Capacity is %d: give zero, which keeps nothing, or more", *d.capacity)
	}
	_, canResize := s.Eviction.(eviction.Resizer)
	switch {
	case d.capacity != nil && canResize:
		s.resize = d.capacity
	case d.capacity != nil:
		s.Eviction, s.resize = eviction.TinyLFU[K](*d.capacity), nil
	case s.Eviction == nil:
		s.Eviction, s.unbounded = eviction.TinyLFU[K](DefaultCapacity), true
	}
	if s.Weigh != nil && s.unbounded {
		d.fault("Weigh is given without Capacity, whose default of %d is a count of values: give Capacity the most that all may weigh together", DefaultCapacity)
	}
}

// applyLife makes the builder, if options say anything of it.
func (s *Settings[A, K, V]) applyLife(d *draft, guardChanges bool) {
	lifetimes := d.updateAfter != s.life.updateAfter || d.expireAfter != s.life.expireAfter
	ownBuilder := !same(s.Builder, s.spans)
	switch {
	case d.builder != nil && lifetimes:
		d.fault("Builder excludes UpdateAfter and ExpireAfter: let the builder give every value its life")
		return
	case d.builder != nil:
		fit(d, "Builder", d.builder, &s.plain)
		d.updateAfter, d.expireAfter = nil, nil
	case lifetimes && ownBuilder:
		d.fault("UpdateAfter and ExpireAfter would take the place of the Builder %s, which gives every value its life: change what it gives, or give another Builder, such as entry.NewLifeSpan makes", name(s.Builder))
		return
	case lifetimes:
		b, err := entry.NewLifeSpan[K, V](d.life.span())
		if err != nil {
			d.errs = append(d.errs, err)
		}
		s.plain = b
	case d.jitter == s.life.jitter && !guardChanges:
		return
	}
	s.life, s.Builder = d.life, s.plain
	s.applyJitter(d)
	if d.builder == nil && !ownBuilder {
		s.spans = s.Builder
	}
}

func (s *Settings[A, K, V]) applyJitter(d *draft) {
	share := s.jitterShare(d.jitter)
	switch {
	case !(share >= 0 && share < 1):
		d.fault("Jitter is %v: give a share of the life, at least 0 and below 1", share)
	case isNil(s.plain) && d.jitter == nil:
	case isNil(s.plain):
		d.fault("Jitter has no Builder to shorten the lives of: give one, or UpdateAfter")
	case share > 0:
		s.Builder = entry.Jittered(s.plain, share)
	}
}

// span is the life that update-after and expire-after give, of which one alone
// decides the other.
func (l life) span() entry.Life {
	switch {
	case l.updateAfter == nil && l.expireAfter == nil:
		return entry.Life{UpdateAfter: entry.DefaultUpdateAfter, ExpireAfter: entry.DefaultExpireAfter}
	case l.expireAfter == nil:
		return entry.Life{UpdateAfter: fresh(*l.updateAfter), ExpireAfter: max(entry.DefaultExpireAfter, thrice(*l.updateAfter))}
	case l.updateAfter == nil:
		return entry.Life{ExpireAfter: *l.expireAfter} // and a third of it
	}
	return entry.Life{UpdateAfter: fresh(*l.updateAfter), ExpireAfter: *l.expireAfter}
}

// fresh is an update-after of the option's, whose zero is not that of a Life.
func fresh(updateAfter time.Duration) time.Duration {
	if updateAfter == 0 {
		return entry.AtOnce
	}
	return updateAfter
}

// thrice is three times d, or the longest duration where that is longer.
func thrice(d time.Duration) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	if d > longest/3 {
		return longest
	}
	return 3 * d
}

// plausible finds durations that are given as bare numbers, which are nanoseconds. An
// update-after so short is well: whoever gives it wants a refresh on every hit.
func (d *draft) plausible() {
	for _, given := range []struct {
		name string
		d    *time.Duration
	}{
		{"ExpireAfter", d.expireAfter}, {"MethodTimeout", d.methodTimeout}, {"QueueTimeout", d.queueTimeout},
		{"StoreBudget for reads", d.storeRead}, {"StoreBudget for writes", d.storeWrite},
		{"StaleIfError", d.staleIfError}, {"SoftTimeout", d.softTimeout}, {"Gather", d.gather},
	} {
		if given.d != nil {
			d.plausibleOne(given.name, *given.d)
		}
	}
	for _, r := range d.remember {
		d.plausibleOne("Remember", r.For)
	}
}

func (d *draft) plausibleOne(name string, given time.Duration) {
	if given > 0 && given < time.Microsecond {
		d.fault("%s is %v, less than a microsecond: a number without a unit is nanoseconds; write it as %d*time.Second, say", name, given, given)
	}
}

func (d *draft) fault(format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf("config: "+format, args...))
}

// fit puts an untyped part in its place if it was given and its type fits.
func fit[T any](d *draft, name string, given any, place *T) {
	switch p := given.(type) {
	case nil:
	case absent:
		d.fault("%s is given nil: leave the option out for the default", name)
	case T:
		*place = p
	default:
		d.fault("%s is given a %T, and this function needs %v", name, given, reflect.TypeFor[T]())
	}
}

func assign[T any](place *T, value *T) {
	if value != nil {
		*place = *value
	}
}

func positive[T int | time.Duration](d *draft, name string, place *T, value *T) {
	if value == nil {
		return
	}
	if *value <= 0 {
		d.fault("%s is %v: give more than zero", name, *value)
	}
	*place = *value
}
