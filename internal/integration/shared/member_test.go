package shared

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// setup says what a member is.
type setup struct {
	Addr   string // of the server
	Store  string // how the store is used: one of stores
	Schema int
	Pause  time.Duration // how long a load takes at most
	Fresh  time.Duration // how long values are fresh; 0 for long
	Seed   uint64
}

// stores are the ways to use the server: the right one, two that are known to let old
// values in, and one that is known to lose changes.
var stores = map[string]func(*redisstore.Entries) storage.Bytes{
	"fenced":   func(e *redisstore.Entries) storage.Bytes { return e },
	"unfenced": func(e *redisstore.Entries) storage.Bytes { return unfenced{e, e} },
	"locked":   func(e *redisstore.Entries) storage.Bytes { return &locked{e} },
	"careless": func(e *redisstore.Entries) storage.Bytes { return careless{e} },
}

// unfenced hides that a store can fence.
type unfenced struct {
	storage.Bytes
	storage.ListerBytes
}

// member is one of those that share a store: a function of its own, on a store
// of its own. The source of all of them is a number on the server, the key's
// version. It is given one order at a time.
type member struct {
	redis *redis.Client
	store *storage.Store
	f     *memoize.Func[string, string]
	loads atomic.Int64
	pause time.Duration
	tail  time.Duration // how long the last round took after everything had begun

	mu     sync.Mutex // guards random
	random *rand.Rand
}

// prefix is that of the keys of the stores, and of nothing else on the server.
const prefix = "svc:"

func versionKey(key string) string { return "version:" + key }

func newMember(s setup) (*member, error) {
	m := &member{pause: s.Pause, random: rand.New(rand.NewPCG(s.Seed, 2))}
	m.redis = redis.NewClient(&redis.Options{Addr: s.Addr, ContextTimeoutEnabled: true, PoolSize: 100})
	var err error
	if m.store, err = storage.Share(stores[s.Store](redisstore.New(m.redis)), storage.Prefix(prefix)); err != nil {
		return nil, errors.Join(err, m.redis.Close())
	}
	if s.Fresh == 0 {
		s.Fresh = time.Hour / 2
	}
	// The budget is what a busy machine may need: what exceeds it is another matter.
	m.f, err = memoize.New(m.load, config.Name("users"), config.Store(m.store), config.Schema(s.Schema),
		config.UpdateAfter(s.Fresh), config.ExpireAfter(time.Hour), config.MaxBackground(1000),
		config.StoreBudget(time.Minute, time.Minute), config.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, errors.Join(err, m.redis.Close())
	}
	return m, nil
}

// close ends the member. What runs has ended before.
func (m *member) close() error {
	return errors.Join(m.f.Close(context.Background()), m.store.Close(), m.redis.Close())
}

// load reads the version somewhere in the midst of its time.
func (m *member) load(ctx context.Context, key string) (string, error) {
	m.loads.Add(1)
	m.rest(m.pause / 2)
	version, err := m.redis.Get(ctx, versionKey(key)).Result()
	m.rest(m.pause / 2)
	return version, err
}

// rest waits a random time.
func (m *member) rest(most time.Duration) {
	if most > 0 {
		time.Sleep(time.Duration(m.chance() * float64(most))) // in real time: members and their server are processes
	}
}

func (m *member) chance() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.Float64()
}

// order is what a member is told to do with keys.
type order struct {
	Do    string // a key of verbs
	Keys  []string
	Value string // for set
}

// report is what came of it.
type report struct {
	Values []string // in the order of the keys; empty where there is none
	Loads  int64    // how often the source has run since the member began
	Fenced uint64   // how many fills were refused
	Tries  int      // of Updates
	Reads  int
	Stale  int
	First  string // the first stale value, in words
	Err    string
}

var verbs = map[string]func(m *member, ctx context.Context, o order, r *report) error{
	"call": func(m *member, ctx context.Context, o order, r *report) (err error) {
		r.Values, err = m.f.CallMany(ctx, o.Keys)
		return err
	},
	"peek": func(m *member, _ context.Context, o order, r *report) error {
		for _, key := range o.Keys {
			v, _ := m.f.Peek(context.Background(), key)
			r.Values = append(r.Values, v)
		}
		return nil
	},
	"set": func(m *member, ctx context.Context, o order, _ *report) error {
		return m.f.Set(ctx, o.Keys[0], o.Value)
	},
	"invalidate": func(m *member, ctx context.Context, o order, _ *report) error { return m.f.Invalidate(ctx, o.Keys[0]) },
	"empty":      func(m *member, ctx context.Context, _ order, _ *report) error { return m.f.InvalidateAll(ctx) },
	"touch": func(m *member, ctx context.Context, o order, r *report) error {
		touched, err := m.f.Touch(ctx, o.Keys[0])
		r.Values = []string{fmt.Sprint(touched)}
		return err
	},
	"count": func(m *member, ctx context.Context, o order, r *report) error {
		n, err := strconv.Atoi(o.Value)
		if err != nil {
			return err
		}
		r.Tries, err = m.count(ctx, o.Keys[0], n)
		return err
	},
	"race": func(m *member, ctx context.Context, o order, r *report) error { return m.race(ctx, o.Keys, r) },
}

// do carries an order out.
func (m *member) do(o order) report {
	var r report
	if err := verbs[o.Do](m, context.Background(), o, &r); err != nil {
		r.Err = err.Error()
	}
	r.Loads, r.Fenced = m.loads.Load(), m.f.Stats().Fenced
	return r
}
