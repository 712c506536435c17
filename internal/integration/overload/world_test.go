package overload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// world is what a scenario has to do with.
type world struct {
	seed     uint64
	calls    float64       // a second
	keys     int           // of which those first are asked for more often
	patience time.Duration // of a caller
	servers  int
	service  time.Duration
	life     time.Duration // of values
	timeout  time.Duration // of loads
	lasts    time.Duration
	fixed    bool // loads take always as long
	uniform  bool // all keys are asked for as often
}

// usual is a world whose source is asked a thousand times a second and bears fifty loads, so
// that it needs 95 hits in a hundred; it loads about forty a second when all is well, and
// all keys in sixteen seconds.
func usual(seed uint64) world {
	return world{
		seed: seed, calls: 1000, keys: 800, patience: time.Second, servers: 5, service: 100 * time.Millisecond,
		life: time.Minute, timeout: 10 * time.Second, lasts: 210 * time.Second,
	}
}

func (w world) capacity() float64 { return float64(w.servers) / w.service.Seconds() }

// scenario is what happens, from a minute and a half after the beginning.
type scenario struct {
	name       string
	store      bool          // values are kept in a store that processes share
	capacity   float64       // of the source while it lasts, as a share
	lasts      time.Duration // from its begin to its end
	sleeps     bool          // its begin takes a life of the values
	begin, end func(at *running)
}

const trigger = 90 * time.Second

// running is a world in which time passes.
type running struct {
	world
	scenario scenario
	t        *testing.T
	source   *source
	guard    *guard.Guard
	f        caller
	memory   *away

	mu      sync.Mutex
	asleep  bool // nobody calls
	seconds []second
}

// second is what callers had of one.
type second struct {
	calls, answered, refused, left int
	old                            time.Duration // the greatest age that was served
	limit                          int
}

// caller is what callers call.
type caller interface {
	Result(ctx context.Context, key int) (memoize.Result[int], error)
	InvalidateAll(ctx context.Context) error
	Stats() memoize.Stats
}

// way is a way to stand before a source.
type way struct {
	name  string
	build func(at *running) (load func(ctx context.Context, key int) (int, error), opts []config.Option)
}

// run lets a scenario happen to a way, in virtual time.
func run(t *testing.T, w world, s scenario, how way) (at *running) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		at = &running{world: w, scenario: s, t: t}
		if s.sleeps {
			at.world.lasts += w.life
		}
		at.source = &source{rnd: rand.New(rand.NewPCG(w.seed, 1)), began: time.Now(), servers: w.servers, service: w.service, fixed: w.fixed, first: map[int]int{}}
		load, opts := how.build(at)
		opts = append(opts, config.UpdateAfter(w.life/3), config.ExpireAfter(w.life), config.Capacity(w.keys), config.MethodTimeout(w.timeout), config.Logger(nil))
		if s.store {
			at.memory = &away{Memory: storage.NewMemory()}
			defer at.memory.Close()
			store, err := storage.Share(at.memory)
			if err != nil {
				t.Fatal(err)
			}
			opts = append(opts, config.Store(store), config.Name("overload"))
		}
		f, err := memoize.New(load, opts...)
		if err != nil {
			t.Fatal(err)
		}
		at.f = f
		began := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			time.Sleep(trigger) // of the bubble, as all here
			if s.begin != nil {
				s.begin(at)
			}
			time.Sleep(s.lasts)
			if s.end != nil {
				s.end(at)
			}
		})
		weights := make([]float64, w.keys)
		sum := 0.0
		for i := range weights {
			if w.uniform {
				sum++
			} else {
				sum += 1 / float64(i+20)
			}
			weights[i] = sum
		}
		rnd := rand.New(rand.NewPCG(w.seed, 2))
		for time.Since(began) < at.world.lasts {
			time.Sleep(time.Duration(rnd.ExpFloat64() / w.calls * float64(time.Second)))
			key := sort.SearchFloat64s(weights, rnd.Float64()*sum)
			if at.sleeps() {
				continue
			}
			all.Go(func() { at.call(began, key) })
		}
		all.Wait()
		at.source.set(func(s *source) { s.down, s.hangs = false, 0 })
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return at
}

func (at *running) sleeps() bool {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.asleep
}

func (at *running) sleep(yes bool) {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.asleep = yes
}

func (at *running) call(began time.Time, key int) {
	ctx, cancel := context.WithTimeout(context.Background(), at.patience)
	defer cancel()
	i := int(time.Since(began) / time.Second)
	r, err := at.f.Result(ctx, key)
	if err == nil && r.Value != key {
		panic(fmt.Sprint("key ", key, " has the value ", r.Value))
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	for len(at.seconds) <= i {
		at.seconds = append(at.seconds, second{})
	}
	s := &at.seconds[i]
	s.calls++
	switch {
	case err == nil:
		s.answered++
		s.old = max(s.old, r.Age)
	case ctx.Err() != nil:
		s.left++
	default:
		s.refused++
	}
	if at.guard != nil {
		s.limit = at.guard.State().Limit
	}
}

// away is a store that can be away: then operations fail after a while.
type away struct {
	*storage.Memory
	mu   sync.Mutex
	gone bool
}

func (a *away) set(gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = gone
}

var errGone = errors.New("no route to the store")

func (a *away) try() error {
	a.mu.Lock()
	gone := a.gone
	a.mu.Unlock()
	if gone {
		time.Sleep(34 * time.Millisecond) // what failing to connect takes
		return errGone
	}
	return nil
}

func (a *away) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := a.try(); err != nil {
		return storage.Record{}, err
	}
	return a.Memory.Get(ctx, key)
}

func (a *away) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := a.try(); err != nil {
		return err
	}
	return a.Memory.Set(ctx, key, value, keep)
}

func (a *away) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if err := a.try(); err != nil {
		return nil, err
	}
	return a.Memory.Claim(ctx, hold, keys...)
}

func (a *away) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if err := a.try(); err != nil {
		return nil, err
	}
	return a.Memory.Fill(ctx, fills...)
}
