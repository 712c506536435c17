package shared

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// A call looks, claims and fills: it may spend the budget of two reads and a
// write on a store that is away. The client's own patience is far longer, so
// that it is the budget that ends them; and a machine that is busy is given a
// multiple of it.
const (
	read, write = 50 * time.Millisecond, 50 * time.Millisecond
	budget      = 2*read + write
	lenient     = 40 * budget
	patience    = time.Minute
)

// victim is a function whose store has much to suffer.
type victim struct {
	f      *memoize.Func[string, string]
	loads  atomic.Int64
	faults atomic.Int64
}

func newVictim(t testing.TB, addr string) *victim {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{
		Addr: addr, ContextTimeoutEnabled: true, MaxRetries: 1, PoolSize: 50,
		DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, PoolTimeout: patience,
	})
	store, err := storage.Share(redisstore.New(rdb), storage.Prefix(prefix))
	noError(t, err)
	v := &victim{}
	v.f, err = memoize.New(v.load, config.Store(store), config.Name("users"), config.ExpireAfter(time.Hour),
		config.StoreBudget(read, write), config.Logger(slog.New(slog.DiscardHandler)),
		config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.StoreFault {
				v.faults.Add(1)
			}
		})))
	noError(t, err)
	t.Cleanup(func() {
		noError(t, v.f.Close(context.Background()))
		noError(t, rdb.Close())
	})
	return v
}

func valueOf(key string) string { return "the value of " + key }

func (v *victim) load(_ context.Context, key string) (string, error) {
	v.loads.Add(1)
	return valueOf(key), nil
}

// calls calls for a key, and tells whether it was a hit.
func (v *victim) calls(t testing.TB, key string) (hit bool, took time.Duration) {
	began := time.Now()
	r, err := v.f.Result(context.Background(), key)
	took = time.Since(began)
	if err != nil || r.Value != valueOf(key) {
		t.Errorf("a call for %s returned %q, %v", key, r.Value, err)
	}
	if took > lenient {
		t.Errorf("a call for %s took %v, its budget was %v", key, took, budget)
	}
	return r.Why == memoize.Hit, took
}

// heals waits until calls for the keys are hits again.
func (v *victim) heals(t testing.TB, keys ...string) {
	t.Helper()
	began := time.Now()
	for _, key := range keys {
		for hit := false; !hit; {
			if hit, _ = v.calls(t, key); !hit && time.Since(began) > patience {
				t.Fatalf("after %v calls for %s are no hits", patience, key)
			}
		}
	}
}

func passes(text string) func([]byte) ([]byte, bool) {
	return func([]byte) ([]byte, bool) { return []byte(text), false }
}

// TestG9Wire puts faults on the wire to a server that is well.
func TestG9Wire(t *testing.T) {
	server := servers.Redis(t)
	random := rand.NewPCG(rand.Uint64(), 3)
	text, err := random.MarshalBinary()
	noError(t, err)
	t.Logf("random bytes from %x", text)
	noise := func(piece []byte) ([]byte, bool) {
		for i := range piece {
			piece[i] = byte(random.Uint64())
		}
		return piece, false
	}
	for _, c := range []struct {
		name  string
		fault fault
	}{
		{"latency beyond the budget", fault{wait: 4 * read}},
		{"every connection is cut", fault{refuse: true}},
		{"no answer comes", fault{mangle: passes("")}},
		{"cut in the midst of a reply", fault{mangle: func(b []byte) ([]byte, bool) { return b[:len(b)/2], true }}},
		{"half a reply, and then nothing", fault{mangle: func(b []byte) ([]byte, bool) { return b[:len(b)/2], false }}},
		{"a byte of a reply, and then nothing", fault{mangle: func(b []byte) ([]byte, bool) { return b[:1], false }}},
		{"every reply twice", fault{mangle: func(b []byte) ([]byte, bool) { return append(b[:len(b):len(b)], b...), false }}},
		{"random bytes", fault{mangle: noise}},
		{"random bytes, and then a cut", fault{mangle: func(b []byte) ([]byte, bool) { b, _ = noise(b); return b, true }}},
		{"another protocol", fault{mangle: passes("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")}},
		{"replies of another type", fault{mangle: passes(":1\r\n:1\r\n")}},
		{"replies that say yes", fault{mangle: passes("+OK\r\n+OK\r\n")}},
		{"empty arrays", fault{mangle: passes("*0\r\n*0\r\n")}},
		{"arrays of too many", fault{mangle: passes(":100\r\n*4\r\n$1\r\n1\r\n$1\r\n0\r\n$1\r\nv\r\n$1\r\nx\r\n")}},
		{"a length that is negative", fault{mangle: passes("$-5\r\n*-7\r\n")}},
		{"a length that is no number", fault{mangle: passes("$x\r\n*x\r\n")}},
		{"errors", fault{mangle: passes("-ERR oops\r\n-ERR oops\r\n")}},
		{"it is full", fault{mangle: passes("-OOM command not allowed when used memory > 'maxmemory'.\r\n-OOM\r\n")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProxy(t, server)
			v := newVictim(t, p.addr())
			server.Command("FLUSHALL")
			v.heals(t, "a", "b") // and connections are open
			p.set(c.fault)
			var longest time.Duration
			for _, key := range []string{"a", "b", "a", "never seen"} {
				hit, took := v.calls(t, key)
				if longest = max(longest, took); hit && c.name != "every reply twice" {
					t.Errorf("a call for %s was a hit", key)
				}
			}
			if v.faults.Load() == 0 && v.f.Stats().StoreFaults == 0 {
				t.Error("no fault is reported")
			}
			if n := v.f.Stats().Panics; n > 0 {
				t.Errorf("%d panics", n)
			}
			p.set(fault{})
			v.heals(t, "a", "b", "never seen")
			t.Logf("the longest call took %v, the budget is %v; %d faults", longest, budget, v.f.Stats().StoreFaults)
		})
	}
}

// TestG9WhatIsStored puts something else under a function's key.
func TestG9WhatIsStored(t *testing.T) {
	server := servers.Redis(t)
	v := newVictim(t, server.Addr())
	key, err := v.f.Key("a")
	noError(t, err)
	v.heals(t, "a")
	stored := []byte(server.Command("HGET", key, "v"))
	if len(stored) < 20 {
		t.Fatalf("what is stored is %q", stored)
	}
	hash := func(v string) []string { return []string{"HSET", key, "g", "g", "k", "3600000", "v", v} }
	flipped := func(at int) string {
		b := append([]byte(nil), stored...)
		b[at] ^= 0x20
		return string(b)
	}
	for _, c := range []struct {
		name   string
		silent bool // it is as if there were nothing
		put    []string
	}{
		{"a string", false, []string{"SET", key, "text"}},
		{"a list", false, []string{"RPUSH", key, "1", "2"}},
		{"a set", false, []string{"SADD", key, "k", "v"}},
		{"a sorted set", false, []string{"ZADD", key, "1", "v"}},
		{"a stream", false, []string{"XADD", key, "*", "k", "v"}},
		{"a hash of somebody's", true, []string{"HSET", key, "name", "ann"}},
		{"a claim alone", true, []string{"HSET", key, "g", "g", "h", "1"}},
		{"a time that is none", false, []string{"HSET", key, "g", "g", "v", string(stored), "k", "soon"}},
		{"a negative time", false, []string{"HSET", key, "g", "g", "v", string(stored), "k", "-7"}},
		{"a time without end of nothing", false, []string{"HSET", key, "k", "-1"}},
		{"a time past all numbers", false, []string{"HSET", key, "g", "g", "v", string(stored), "k", "99999999999999999999999"}},
		{"nothing in it", false, hash("")},
		{"garbage", false, hash("\x00\xff garbage")},
		{"JSON", false, hash(`{"value":"the value of b"}`)},
		{"cut short", false, hash(string(stored[:len(stored)-1]))},
		{"half of it", false, hash(string(stored[:len(stored)/2]))},
		{"one byte more", false, hash(string(stored) + "x")},
		{"another version", false, hash(flipped(0))},
		{"another codec", false, hash(flipped(1))},
		{"a flipped bit in its middle", false, hash(flipped(len(stored) / 2))},
		{"a flipped bit at its end", false, hash(flipped(len(stored) - 1))},
		{"very much", false, hash(string(make([]byte, 1<<18)))},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVictim(t, server.Addr())
			v.heals(t, "other")
			server.Command("DEL", key)
			server.Command(c.put...)
			before := v.f.Stats()
			if hit, _ := v.calls(t, "a"); hit {
				t.Error("it was a hit")
			}
			faults := v.f.Stats().StoreFaults - before.StoreFaults
			if c.silent != (faults == 0) {
				t.Errorf("%d faults are reported", faults)
			}
			if hit, _ := v.calls(t, "a"); !hit {
				t.Error("the next call is no hit: it was not replaced")
			}
			if n := v.f.Stats().Panics; n > 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}

// TestG9Outages halts, kills and restarts a server under load. No call fails, and
// hits come back.
func TestG9Outages(t *testing.T) {
	const (
		callers = 8
		keys    = 50
		well    = 1000 // calls in each phase
		halted  = 100
	)
	server := servers.Redis(t)
	v := newVictim(t, server.Addr())
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	v.heals(t, names...)

	var calls, hits, longest atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				hit, took := v.calls(t, names[i%keys])
				if hit {
					hits.Add(1)
				}
				for l := longest.Load(); int64(took) > l && !longest.CompareAndSwap(l, int64(took)); l = longest.Load() {
				}
				calls.Add(1)
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	pass := func(phase string, count *atomic.Int64, n int64) {
		began, from, hitsFrom := time.Now(), calls.Load(), hits.Load()
		longest.Store(0)
		// in real time: it looks at what goroutines do with a server that is a process
		for until := count.Load() + n; count.Load() < until; time.Sleep(time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatalf("%s: after %v there are %d calls, %d hits", phase, patience, calls.Load()-from, hits.Load()-hitsFrom)
			}
		}
		t.Logf("%-12s %5d calls, %5d hits in %v; the longest took %v", phase, calls.Load()-from, hits.Load()-hitsFrom,
			time.Since(began).Round(time.Millisecond), time.Duration(longest.Load()).Round(time.Millisecond))
	}
	pass("well", &hits, well)
	server.Stop()
	pass("halted", &calls, halted)
	server.Cont()
	pass("goes on", &hits, well)
	server.Kill()
	pass("dead", &calls, well)
	server.Restart()
	pass("restarted", &hits, well)
	if v.f.Stats().StoreFaults == 0 {
		t.Error("no fault is reported")
	}
	t.Logf("%d calls, %d of them failed; %d faults of the store", calls.Load(), v.f.Stats().Failed, v.f.Stats().StoreFaults)
}
