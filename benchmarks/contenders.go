package benchmarks

import (
	"context"
	"time"
)

// Value is what every contender keeps a pointer to: 64 bytes.
type Value struct {
	ID   uint64
	Rest [7]uint64
}

// Key is what contenders are asked for.
type Key interface{ string | int }

// Load is the slow function that a contender memoizes.
type Load[K Key] func(ctx context.Context, key K) (*Value, error)

// Settings are what every contender is configured with alike, as far as it has
// the notion.
type Settings struct {
	Capacity     int           // entries
	RefreshAfter time.Duration // from then on an entry is stale
	ExpireAfter  time.Duration

	// LifeOf gives each value a life of its own, in place of the two above,
	// and no refresh. Those that Contender.Writes is true of know it.
	LifeOf func(value *Value) time.Duration
}

// Lasting is settings under which nothing falls due or expires while it is
// measured.
func Lasting(capacity int) Settings {
	return Settings{Capacity: capacity, RefreshAfter: longRefresh, ExpireAfter: LongLife}
}

// Cache is one contender at work. Its methods are closures, so that every
// contender costs the same indirect call.
type Cache[K Key] struct {
	Get    func(ctx context.Context, key K) *Value // nil is a failure
	Set    func(key K, value *Value)               // nil but for those that Contender.Writes is true of
	Settle func()                                  // waits for writes that are buffered
	Len    func() int                              // entries held
	Close  func()
}

// Make makes a contender's cache of a loader.
type Make[K Key] func(s Settings, load Load[K]) Cache[K]

// Contender is one cache in one configuration.
type Contender struct {
	Name      string
	Module    string // its module, or "" for the standard library
	Terms     string // what its configuration is
	Loads     bool   // it calls the loader itself
	OneLoad   bool   // and promises one load for callers who come together
	Refreshes bool   // it serves stale values while it refreshes them
	Bounded   bool   // it releases entries past its capacity
	Writes    bool   // its caches have Set and know Settings.LifeOf
	Strings   Make[string]
	Ints      Make[int]
}

// The contenders that are named somewhere else.
const (
	Perennial   = "perennial"
	Otter       = "otter"
	OtterCoarse = "otter coarse"
	Floor       = "floor"
)

// Contenders is everybody who takes part.
func Contenders() []Contender {
	return []Contender{
		{
			Name: Perennial, Module: "github.com/perennial-go/perennial",
			Terms: "memoize.New, default clock",
			Loads: true, OneLoad: true, Refreshes: true, Bounded: true, Writes: true,
			Strings: makePerennial[string](), Ints: makePerennial[int](),
		},
		{
			Name: "perennial exact", Module: "github.com/perennial-go/perennial",
			Terms: "memoize.New, config.ExactClock()",
			Loads: true, OneLoad: true, Refreshes: true, Bounded: true, Writes: true,
			Strings: makePerennial[string](exact...), Ints: makePerennial[int](exact...),
		},
		{
			Name: Otter, Module: "github.com/maypok86/otter/v2",
			Terms: "Get with a loader, ExpiryWriting and RefreshWriting, default clock",
			Loads: true, OneLoad: true, Refreshes: true, Bounded: true, Writes: true,
			Strings: makeOtter[string](false), Ints: makeOtter[int](false),
		},
		{
			Name: OtterCoarse, Module: "github.com/maypok86/otter/v2",
			Terms: "the same with NewCoarseClock(10ms)",
			Loads: true, OneLoad: true, Refreshes: true, Bounded: true, Writes: true,
			Strings: makeOtter[string](true), Ints: makeOtter[int](true),
		},
		{
			Name: "sturdyc", Module: "github.com/viccon/sturdyc",
			Terms: "GetOrFetch, WithEarlyRefreshes, 10 shards, 10 % evicted at once; an int key goes through strconv.Itoa",
			Loads: true, OneLoad: true, Refreshes: true, Bounded: true,
			Strings: newSturdyc, Ints: newSturdycInts,
		},
		{
			Name: "theine", Module: "github.com/Yiling-J/theine-go",
			Terms: "Loading cache, time to live; no refresh",
			Loads: true, OneLoad: true, Bounded: true,
			Strings: newTheine[string], Ints: newTheine[int],
		},
		{
			Name: "ttlcache", Module: "github.com/jellydator/ttlcache/v3",
			Terms: "WithLoader(SuppressedLoader), WithDisableTouchOnHit; no refresh",
			Loads: true, Bounded: true,
			Strings: newTTLCache[string], Ints: newTTLCache[int],
		},
		{
			Name: "ristretto", Module: "github.com/dgraph-io/ristretto/v2",
			Terms:   "Get and SetWithTTL, cost 1 an entry; no loader, no refresh",
			Bounded: true,
			Strings: newRistretto[string], Ints: newRistretto[int],
		},
		{
			Name:    Floor,
			Terms:   "sync.Map, an atomic load of the value, time.Since against a deadline; no bound, no loader, no refresh",
			Strings: newFloor[string], Ints: newFloor[int],
		},
	}
}
