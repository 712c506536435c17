package config

import (
	"errors"
	"log/slog"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/wiring"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// Option says one thing about how a function is memoized. If an option is given
// twice, the last one wins.
type Option struct {
	name  string
	wired bool // it concerns the function, not a configuration
	set   func(d *draft)
}

// String is the option's name.
func (o Option) String() string { return "config." + o.name }

// draft is what options say. Typed parts are still untyped.
type draft struct {
	life
	capacity                                         *int
	weigh, tags                                      any
	configured, bypass                               *bool
	methodTimeout                                    *time.Duration
	builder, keys, storage, eviction, postprocessing any
	maxLoads, maxBackground, maxRunaway, maxBatch    *int
	queueTimeout, gather                             *time.Duration
	storeRead, storeWrite                            *time.Duration
	store                                            *storage.Store
	serde                                            any
	schema                                           *int
	failOnStoreError                                 *bool
	contextValues, onRelease                         any
	answers
	guard  **guard.Guard
	wiring wiring.Wiring
	errs   []error
}

// life is what options have said of lifetimes.
type life struct {
	updateAfter, expireAfter *time.Duration
	jitter                   *float64
}

func setting(name string, set func(d *draft)) Option { return Option{name: name, set: set} }
func function(name string, set func(w *wiring.Wiring)) Option {
	return Option{name: name, wired: true, set: func(d *draft) { set(&d.wiring) }}
}

// UpdateAfter is how long a value is fresh: from then on a call is still
// answered at once, and starts a refresh in the background. Zero refreshes on
// every hit. Default 10 minutes. Set alone, it makes expire-after the greater of
// 30 minutes and three times itself.
func UpdateAfter(d time.Duration) Option {
	return setting("UpdateAfter", func(dr *draft) { dr.updateAfter = &d })
}

// ExpireAfter is how long a value is served at all. Zero makes every call wait
// for a load. Default 30 minutes. Set alone, it makes update-after a third of
// itself. It may equal update-after: then nothing is refreshed in the
// background.
func ExpireAfter(d time.Duration) Option {
	return setting("ExpireAfter", func(dr *draft) { dr.expireAfter = &d })
}

// Jitter shortens each life by up to the given share, at least 0 and below 1,
// so that values that were loaded together do not expire together. It only makes lives
// shorter; how much is a fixed function of the key. Default 0; 0.1 with a Guard.
func Jitter(share float64) Option {
	return setting("Jitter", func(dr *draft) { dr.jitter = &share })
}

// Builder gives values a life of their own, say one that each value carries:
//
//	config.Builder(entry.LifeOf[string](func(t Token) entry.Life {
//		return entry.Life{ExpireAfter: t.ExpiresIn}
//	}))
//
// where string is the type of the keys, which nothing tells Go. It takes the place of
// UpdateAfter and ExpireAfter.
func Builder[K comparable, V any](b entry.Builder[K, V]) Option {
	return setting("Builder", func(dr *draft) { dr.builder = part(b) })
}

// Capacity is how many values are kept, or how much they may weigh together: see
// Weigh. When there are too many, eviction.TinyLFU chooses which one goes: it keeps
// what is asked for often or comes back soon, so that a scan of new keys does not push
// out what is popular. With Evict, another strategy chooses, and is given its capacity
// itself. Zero keeps none and still makes callers who come together share a load.
// Default 4096. A value is released after those who waited for the load that pushed it
// out have been answered, so for a moment there may be a few more.
//
// Applied to a Live, it gives the strategy in force another capacity, if that is
// an eviction.Resizer as all of this project's but None are, and releases at once
// what is too much. Others give way to eviction.TinyLFU.
func Capacity(n int) Option {
	return setting("Capacity", func(dr *draft) { dr.capacity = &n })
}

// Evict chooses which value is released when there are too many. One strategy
// serves one function.
func Evict[K comparable](s eviction.Strategy[K]) Option {
	return setting("Evict", func(dr *draft) { dr.eviction = part(s) })
}

// Weigh makes the capacity a limit of what the values weigh together, say of their bytes.
// Capacity has to be given with it, in the same unit: the default is a count. It is called
// for each value that is about to be stored, concurrently and with no lock held, and must
// return more than zero: else, or if it panics, the load or the Set fails with an error
// that names the key. A value that weighs more than the whole capacity is returned but not
// cached, and reported as observe.TooHeavy. If there is no room, eviction.TinyLFU, the
// default, keeps a value that weighs more than a hundredth of the capacity or so only if
// its key is loaded a second or third time. The strategy has to be an eviction.Weigher.
// Keys, and the 100 bytes or so that an entry takes itself, count only if the function
// counts them.
func Weigh[K comparable, V any](weigh func(key K, value V) int) Option {
	return setting("Weigh", func(dr *draft) { dr.weigh = part(weigh) })
}

// Tags names what each value belongs to, as the users in a list or the team of a user, so
// that Func.InvalidateTag drops every value that carries a tag, whatever its key. A is the
// type of the function's argument, V that of its value:
//
//	config.Tags(func(f Filter, us []User) []string { return teamsOf(us) })
//
// It is called once for each value that a load returns or a Set is given, on that
// goroutine, concurrently, with no lock held and before anybody waits for the key; it must
// not change the value. Nil or an empty slice is no tags. A tag that comes twice counts
// once. More than 1,000 tags, an empty one or one of more than 1,024 bytes fails the load
// or the Set with an error that matches memoize.ErrTags, and a panic with one that wraps a
// *memoize.PanicError. It is not called on hits, which cost the same with it; a tag costs
// some 30 bytes for each value that carries it.
//
// The storage has to be in memory: over any other it is an error. Applied to a Live, it
// counts for loads and Sets that begin from then on: what is stored keeps its tags.
func Tags[A, V any](tags func(arg A, value V) []string) Option {
	return setting("Tags", func(dr *draft) { dr.tags = part(tags) })
}

// Storage keeps the values somewhere else than in a table of the function's own.
// Its methods are called concurrently and, unless it is storage.Local, under the
// budget of StoreBudget. The eviction strategy in force, by default that of
// Capacity, releases from it too: give Evict(eviction.None) to a storage that
// bounds itself. A storage is given the function's keys as they are, so it serves
// one function; for one that many share, see Store.
func Storage[K comparable, V any](s storage.Storage[K, V]) Option {
	return setting("Storage", func(dr *draft) { dr.storage = part(s) })
}

// Store keeps the values in a store that many functions and processes share, as
// storage.Open or storage.Share makes it. The function's name is a part of every
// key, so one that has none of its own, as a closure, needs Name. The store
// bounds itself: no eviction strategy is in force unless Capacity or Evict is
// given beside it. What a store that fails or is away does to calls is nothing
// but misses: see FailOnStoreError. One of which nothing succeeds is asked once a second
// only, but by Set, Touch, Update and Invalidate.
func Store(s *storage.Store) Option {
	return setting("Store", func(dr *draft) {
		if dr.store = s; s == nil {
			dr.fault("Store is given nil: open one with storage.Open, or leave the option out for values in memory")
		}
	})
}

// SerDe is how the values in a Store are written, in place of the store's own
// format.
func SerDe[V any](sd serde.SerDe[V]) Option {
	return setting("SerDe", func(dr *draft) { dr.serde = part(sd) })
}

// Codec is SerDe for a codec of values alone: serde.Envelope puts their life around it.
func Codec[V any](c serde.Codec[V]) Option {
	if isNil(c) {
		return setting("Codec", func(dr *draft) { dr.serde = absent{} })
	}
	return SerDe(serde.Envelope(c))
}

// Schema is the version of what values in a Store look like, at least 0. It is a
// part of every key: raise it when the type of the values changes, and old and
// new programs live side by side on one store. Default 0.
func Schema(n int) Option {
	return setting("Schema", func(dr *draft) {
		if dr.schema = &n; n < 0 {
			dr.fault("Schema is %d: give zero or more", n)
		}
	})
}

// FailOnStoreError makes a call fail with memoize.ErrUnavailable where the
// storage can't say what it holds, in place of asking the source: for sources
// that would not bear all calls. Where nothing of the storage succeeds, calls fail at
// once. That a value can't be written is no error to a
// call in either case. Default false.
func FailOnStoreError(yes bool) Option {
	return setting("FailOnStoreError", func(dr *draft) { dr.failOnStoreError = &yes })
}

// MethodTimeout is how long a load may take, above zero, from the moment that it has
// one of the slots of MaxLoads. Past it those who wait get an error even if the source
// ignores its context, and the key can be loaded again. It is measured by the monotonic
// clock: setting the wall clock does not make a load late. Default 2 minutes.
func MethodTimeout(d time.Duration) Option {
	return setting("MethodTimeout", func(dr *draft) { dr.methodTimeout = &d })
}

// MaxLoads is how many loads run at once, above zero; further ones wait their
// turn, first come first served, for QueueTimeout at most. A batch of keys is one load.
// Default 1024.
//
// A source that calls memoized functions with its context gives its slot to others
// while it waits there, and takes one again, ahead of loads that have not begun, before
// that call returns. One that calls with another context keeps its slot, so that loads
// that wait for one another may do so until QueueTimeout ends it.
func MaxLoads(n int) Option {
	return setting("MaxLoads", func(dr *draft) { dr.maxLoads = &n })
}

// QueueTimeout is how long a load waits for one of the slots of MaxLoads, above zero.
// Past it those who wait get an error that matches memoize.ErrLoadTimeout, and the
// source is not asked. The method timeout counts from the slot, so a call waits no
// longer than both together. Default: the method timeout.
func QueueTimeout(d time.Duration) Option {
	return setting("QueueTimeout", func(dr *draft) { dr.queueTimeout = &d })
}

// MaxBackground is how many background refreshes run at once, above zero. A
// stale hit past it is served and starts nothing. Default 64.
func MaxBackground(n int) Option {
	return setting("MaxBackground", func(dr *draft) { dr.maxBackground = &n })
}

// MaxRunaway is how many loads that an invalidation or the method timeout
// superseded may still run, above zero. With that many late ones, no load
// starts; with that many in all, a key whose superseded load still runs waits
// for it. Loads that run when the limit is reached may still become late, so
// there may be as many more as MaxLoads lets run. Default 64.
func MaxRunaway(n int) Option {
	return setting("MaxRunaway", func(dr *draft) { dr.maxRunaway = &n })
}

// MaxBatch is how many keys a source that takes many is given at once, above
// zero. Default 1000.
func MaxBatch(n int) Option {
	return setting("MaxBatch", func(dr *draft) { dr.maxBatch = &n })
}

// StoreBudget is how long the storage may take over one read and over one
// write, unless it answers from memory. Past it a read counts as a miss.
// Defaults 100 ms and 250 ms.
func StoreBudget(read, write time.Duration) Option {
	return setting("StoreBudget", func(dr *draft) { dr.storeRead, dr.storeWrite = &read, &write })
}

// Keys makes the keys of arguments.
func Keys[A any, K comparable](x KeyExtractor[A, K]) Option {
	return setting("Keys", func(dr *draft) { dr.keys = part(x) })
}

// Postprocess changes a value on its way to each caller: see CopyBy and
// DeepCopy. Default: none, so that callers share what a value points to.
func Postprocess[V any](p Postprocessing[V]) Option {
	return setting("Postprocess", func(dr *draft) { dr.postprocessing = part(p) })
}

// Configured false makes every call fail with ErrNotConfigured, until it is
// true again. Default true.
func Configured(yes bool) Option {
	return setting("Configured", func(dr *draft) { dr.configured = &yes })
}

// Bypass is the switch for an outage of the cache itself: while it is true
// every call goes to the source, and neither reads nor writes the cache. Set and
// Invalidate still do, so that it is not out of date when it is used again. With a
// Guard each is a load of class guard.Miss, and may fail with memoize.ErrOverloaded: a
// guard can be switched off too (guard.Off). Default false.
func Bypass(yes bool) Option {
	return setting("Bypass", func(dr *draft) { dr.bypass = &yes })
}

// Name is what the function is called in events, logs and errors, and part of
// what Func.Key returns: in a Store it is part of every key, so there it must stay
// what it is for what is stored to be found again, and two functions can't have
// the same. Default: the name of the Go function, which for a closure says little
// (main.main.func1) and changes with the code around it. A method that is bound to a
// value shares its name with those of all values of the type, and so do the instances
// of a generic function: over a Store they need a Name, as closures do.
func Name(name string) Option { return function("Name", func(w *wiring.Wiring) { w.Name = name }) }

// Clock makes the function live on the clock given, as a test does that drives
// time by hand with clock.NewMock(). Such a clock is read on every call. A clock
// that goes back stands still until it catches up. Default: the real clock, which
// in a testing/synctest bubble is the bubble's: make the function inside it.
func Clock(c clock.Clock) Option { return function("Clock", func(w *wiring.Wiring) { w.Clock = c }) }

// ExactClock makes every call read the clock. Without it a call reads a clock
// that ticks every few milliseconds, wherever the entry's next change of state
// is further than 100 ms away; nearer, the real clock decides. That the wall clock
// was set forward, as after the machine has slept, is then seen within 1 ms instead
// of 10 ms.
func ExactClock() Option {
	return function("ExactClock", func(w *wiring.Wiring) { w.ExactClock = true })
}

// Observe tells o of every event. Observers add up: if the option is given several
// times each is told, and the log is written all the same. A nil observer is none.
func Observe(o observe.Observer) Option {
	return function("Observe", func(w *wiring.Wiring) {
		if o != nil {
			w.Observers = append(w.Observers[:len(w.Observers):len(w.Observers)], o)
		}
	})
}

// Logger is where problems and changes are written: see observe.Slog. Nil is silence.
// If it is given twice, the last one wins. Default: slog.Default() of the moment.
func Logger(l *slog.Logger) Option {
	return function("Logger", func(w *wiring.Wiring) { w.Logger, w.Silent = l, l == nil })
}

// HideKeys puts a hash in place of keys in events, logs and errors, for keys
// that name people. The hash changes with every process.
func HideKeys() Option { return function("HideKeys", func(w *wiring.Wiring) { w.HideKeys = true }) }

// PlainErrors returns the source's own error from a failed load, not wrapped in
// a *memoize.LoadError, for a function that takes the place of another.
func PlainErrors() Option {
	return function("PlainErrors", func(w *wiring.Wiring) { w.PlainErrors = true })
}

// IdentityKeys allows keys that contain pointers or channels, or a time.Time:
// two are the same key exactly when == says so, which compares addresses.
func IdentityKeys() Option {
	return function("IdentityKeys", func(w *wiring.Wiring) { w.IdentityKeys = true })
}

// InvalidatedBy lets s invalidate the function, whose argument is of type A.
func InvalidatedBy[A any](s *invalidation.Support[A]) Option {
	return function("InvalidatedBy", func(w *wiring.Wiring) { w.InvalidatedBy = append(w.InvalidatedBy, s) })
}

// UpdateStatuses puts a registry of your own in place of the one in memory.
func UpdateStatuses[K comparable, V any](r statuses.UpdateStatuses[K, V]) Option {
	return function("UpdateStatuses", func(w *wiring.Wiring) { w.Statuses = part(r) })
}

// absent stands for a part that was given as nil.
type absent struct{}

// part keeps a nil part apart from one that was not given.
func part(p any) any {
	if isNil(p) {
		return absent{}
	}
	return p
}

// Split tells the options that concern the function from those that concern its
// configuration.
func Split(_ module.Only, opts []Option) (settings []Option, w wiring.Wiring, err error) {
	var d draft
	for _, o := range opts {
		switch {
		case o.set == nil:
			d.errs = append(d.errs, errors.New("config: a zero Option: make options with the functions of this package"))
		case o.wired:
			o.set(&d)
		default:
			settings = append(settings, o)
		}
	}
	if d.wiring.Statuses == (any)(absent{}) {
		d.errs = append(d.errs, errors.New("config: UpdateStatuses is given nil: leave the option out for the default"))
		d.wiring.Statuses = nil
	}
	return settings, d.wiring, errors.Join(d.errs...)
}
