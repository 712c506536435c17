package lock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
)

// tap is a hook that sees every command, and has each sent a number of times.
type tap struct {
	mu    sync.Mutex
	seen  []string
	times int
}

func (h *tap) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h *tap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.mu.Lock()
		h.seen = append(h.seen, cmd.Name())
		h.mu.Unlock()
		for range max(1, h.times) - 1 {
			if err := next(ctx, cmd); err != nil {
				return err
			}
		}
		return next(ctx, cmd)
	}
}
func (h *tap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func tapped(t *testing.T, s *servers.Server) (*tap, *Locks) {
	rdb := newClient(t, s.Addr())
	h := &tap{}
	rdb.AddHook(h)
	return h, newTestLocks(t, rdb)
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	h, locks := tapped(t, servers.Redis(t))
	lockAndUnlock := func() { release(t, acquire(t, locks, "a/b/c")) }
	lockAndUnlock() // the server learns the scripts
	h.seen = nil
	lockAndUnlock()
	if want := []string{"evalsha", "evalsha"}; !slices.Equal(h.seen, want) {
		t.Errorf("to lock and unlock takes %v, want %v", h.seen, want)
	}
}

// A command that is sent again because its answer was lost does nothing more,
// and says the same.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	h, locks := tapped(t, servers.Redis(t))
	h.times = 2
	for range 3 {
		l := acquire(t, locks, "a/b")
		l.renew()
		if l.Context().Err() != nil {
			t.Error(context.Cause(l.Context()))
		}
		if _, err := locks.TryAcquire(t.Context(), "a"); !errors.Is(err, ErrHeld) {
			t.Errorf("TryAcquire says %v", err)
		}
		release(t, l)
		if err := l.Release(t.Context()); !errors.Is(err, ErrNotHeld) {
			t.Errorf("a second Release says %v", err)
		}
	}
}

func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	for range 2 {
		s.Command("SCRIPT", "FLUSH")
		l := acquire(t, locks, "a")
		s.Command("SCRIPT", "FLUSH")
		l.renew()
		if l.Context().Err() != nil {
			t.Error(context.Cause(l.Context()))
		}
		s.Command("SCRIPT", "FLUSH")
		release(t, l)
	}
}

// The commands that the documentation lists are enough, on the keys and channels
// of the prefix.
func TestListedCommands(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	const commands = "+evalsha +eval +time +get +set +del +pexpire +pttl +hget +hset +zadd +zrem +zrevrangebyscore +zremrangebyscore +publish +subscribe +unsubscribe +ping"
	s.Command(append(strings.Fields("ACL SETUSER user reset on >secret ~jobs:* &jobs:freed:* +hello +client"), strings.Fields(commands)...)...)
	as := func(o *redis.Options) { o.Username, o.Password = "user", "secret" }
	locks := newTestLocks(t, newClient(t, s.Addr(), as), Prefix("jobs:"))
	other := newTestLocks(t, newClient(t, s.Addr(), as), Prefix("jobs:"))
	l := acquire(t, locks, "a/b")
	l.renew()
	got := make(chan *Lock)
	go func() { got <- acquire(t, other, "a") }()
	for s.Command("PUBSUB", "NUMSUB", "jobs:freed:a") != "jobs:freed:a\n1" {
	}
	if held, err := locks.Held(t.Context(), "a"); !held || err != nil {
		t.Errorf("Held says %v, %v", held, err)
	}
	release(t, l)
	release(t, <-got)
	if denied := s.Command("ACL", "LOG"); denied != "" {
		t.Errorf("it was denied\n%s", denied)
	}
	// Who may not publish has others poll, and releases all the same.
	s.Command("ACL", "SETUSER", "user", "-publish")
	release(t, acquire(t, locks, "a"))
	if held, err := locks.Held(t.Context(), "a"); held || err != nil {
		t.Errorf("Held says %v, %v", held, err)
	}
	// With another prefix it may do nothing, and is told so.
	if _, err := newTestLocks(t, newClient(t, s.Addr(), as)).Acquire(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "allow it the keys") {
		t.Errorf("with another prefix Acquire says %v", err)
	}
}

// Nothing but keys of the prefix is made, and none lives for ever.
func TestKeys(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t, Prefix("svc:"))
	l := acquire(t, locks, Path("jobs", "a{b}*"))
	for key, life := range map[string]time.Duration{
		"svc:tree:{jobs}":           remembered + defaultHold,
		"svc:hold:{jobs}/a%7Bb%7D*": defaultHold,
		"svc:below:{jobs}":          defaultHold + time.Second,
	} {
		var ms int64
		if _, err := fmt.Sscan(s.Command("PTTL", key), &ms); err != nil || ms < life.Milliseconds()-5000 || ms > life.Milliseconds() {
			t.Errorf("%s lives for %d ms, want %v", key, ms, life)
		}
	}
	if n := s.Command("DBSIZE"); n != "3" {
		t.Errorf("there are %s keys, want 3: %q", n, s.Command("KEYS", "*"))
	}
	release(t, l)
	if keys := s.Command("KEYS", "*"); keys != "svc:tree:{jobs}\n" && keys != "svc:tree:{jobs}" {
		t.Errorf("released, there is %q", keys)
	}
}

// What somebody else has stored under a lock's keys is an error, and stays.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	for _, foreign := range [][]string{
		{"SET", "lock:tree:{a}", "x"},
		{"HSET", "lock:tree:{a}", "token", "x"},
		{"HSET", "lock:tree:{a}", "token", "-1"},
		{"HSET", "lock:tree:{a}", "token", "9007199254740993"},
		{"HSET", "lock:tree:{a}", "token", "1e300"},
		{"SET", "lock:hold:{a}", "x"},
		{"SET", "lock:hold:{a}/b", "{\"a\":1}"},
		{"LPUSH", "lock:hold:{a}/b", "x"},
		{"HSET", "lock:hold:{a}", "a", "b"},
		{"SET", "lock:below:{a}", "x"},
		{"SET", "lock:below:{a}/b", "x"},
	} {
		s.Command("FLUSHALL")
		s.Command(foreign...)
		before := s.Command("DUMP", foreign[1])
		for name, f := range map[string]func() error{
			"Acquire":    func() error { _, err := locks.Acquire(t.Context(), "a/b"); return err },
			"TryAcquire": func() error { _, err := locks.TryAcquire(t.Context(), "a/b"); return err },
		} {
			if err := f(); err == nil || !strings.Contains(err.Error(), "use a prefix that nobody else has") || !strings.Contains(err.Error(), `"a/b"`) {
				t.Errorf("%v: %s says %v", foreign, name, err)
			}
		}
		if after := s.Command("DUMP", foreign[1]); after != before || s.Command("DBSIZE") != "1" {
			t.Errorf("%v: it was changed, or there is more: %q", foreign, s.Command("KEYS", "*"))
		}
	}
}

// Whatever is wrong with a server, it is said, and what to do, at once, and no
// password is shown.
func TestServerAtFault(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	plain, guarded := servers.Redis(t), servers.Redis(t, "--requirepass", password)
	_, port, _ := net.SplitHostPort(plain.Addr())
	replica := servers.Redis(t, "--replicaof", "127.0.0.1 "+port)
	clustered := servers.Redis(t, "--cluster-enabled", "yes")
	scriptless := servers.Redis(t, "--rename-command", "EVALSHA", "")
	full := servers.Redis(t, "--maxmemory", "1")
	gone := servers.Nobody(t)
	for name, c := range map[string]struct {
		addr, password, remedy string
		db                     int
	}{
		"no password":      {addr: guarded.Addr(), remedy: "the server wants a password"},
		"wrong password":   {addr: guarded.Addr(), password: password + "x", remedy: "user or password is wrong"},
		"replica":          {addr: replica.Addr(), remedy: "the server is a replica"},
		"no such database": {addr: plain.Addr(), db: 99, remedy: "the server has no such database"},
		"no slots":         {addr: clustered.Addr(), remedy: "the cluster lacks nodes"},
		"no scripts":       {addr: scriptless.Addr(), remedy: "the server lacks a command"},
		"no memory":        {addr: full.Addr(), remedy: "the server's memory is full"},
		"nobody there":     {addr: gone, remedy: "nobody listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			locks := newTestLocks(t, newClient(t, c.addr, func(o *redis.Options) { o.Password, o.DB, o.MaxRetries = c.password, c.db, -1 }))
			_, err := locks.Acquire(t.Context(), "a")
			_, tried := locks.TryAcquire(t.Context(), "a")
			for _, err := range []error{err, tried, locks.Do(t.Context(), "a", nil)} {
				if err == nil || !strings.Contains(err.Error(), c.remedy) || !strings.HasPrefix(err.Error(), `lock: acquire "a": `) || errors.Is(err, ErrHeld) || errors.Is(err, ErrLockTimeout) {
					t.Errorf("it says %v, want %q in it", err, c.remedy)
				} else if strings.Contains(err.Error(), password) {
					t.Errorf("it shows the password: %v", err)
				}
			}
		})
	}
}

func TestClientsThatAreNone(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{})
	defer ring.Close()
	if _, err := New(ring); err == nil || !strings.Contains(err.Error(), "redis.Ring") {
		t.Errorf("a ring: %v", err)
	}
}

// In a cluster a tree is in one slot, and releases are heard of whichever node
// is asked.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := servers.RedisCluster(t)
	cluster := func() *Locks {
		rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{nodes[0].Addr()}, ContextTimeoutEnabled: true})
		t.Cleanup(func() { rdb.Close() })
		return newTestLocks(t, rdb)
	}
	locks, other := cluster(), cluster()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			tree := fmt.Sprintf("tree%d", i)
			l := acquire(t, locks, tree+"/a/b")
			if _, err := other.TryAcquire(t.Context(), tree); !errors.Is(err, ErrHeld) {
				t.Errorf("TryAcquire says %v", err)
			}
			got := make(chan *Lock)
			go func() { got <- acquire(t, other, tree) }()
			for !hearsOf(other, tree) {
				runtime.Gosched()
			}
			release(t, l)
			next := <-got
			if next.Token() <= l.Token() {
				t.Errorf("token %d comes after %d", next.Token(), l.Token())
			}
			release(t, next)
		})
	}
	wg.Wait()
}

// hearsOf reports whether the server tells a process of the releases of a tree.
func hearsOf(l *Locks, tree string) bool {
	l.listener.mu.Lock()
	defer l.listener.mu.Unlock()
	return l.listener.subscribed[tree]
}

// TestStandIn has the stand-in and the scripts do the same, and compares what
// they say. Where a hold ends, it is made to.
func TestStandIn(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	rdb := newClient(t, s.Addr())
	const hold = time.Hour
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		s.Command("FLUSHALL")
		real, model := &redisServer{redis: rdb, prefix: "lock:"}, newStandIn()
		tokens := map[int64]int64{0: 0} // of the model, by those of Redis
		var holders []holderOf
		for i := range 200 {
			p := place(schedulePaths[r.IntN(len(schedulePaths))])
			owner := fmt.Sprintf("owner%d", r.IntN(3))
			what, got, want := "", any(nil), any(nil)
			switch r.IntN(6) {
			case 0, 1:
				token, left, err := real.acquire(t.Context(), p, owner, hold)
				modelToken, modelLeft := model.acquire(p, owner, hold)
				if err != nil {
					t.Fatal(err)
				}
				if known, ok := tokens[token]; ok && known != modelToken || !ok && modelToken == 0 {
					t.Fatalf("seed %d, %d: acquire %q for %s: token %d, and %d of the stand-in", seed, i, p, owner, token, modelToken)
				}
				for other := range tokens {
					if token != 0 && tokens[token] == 0 && other >= token {
						t.Fatalf("seed %d, %d: token %d comes after %d", seed, i, token, other)
					}
				}
				tokens[token] = modelToken
				if token != 0 {
					holders = append(holders, holderOf{p, owner, token})
				}
				what, got, want = "acquire", left > 0, modelLeft > 0
			case 2:
				if len(holders) == 0 {
					continue
				}
				h := holders[r.IntN(len(holders))]
				held, err := real.renew(t.Context(), h.place, h.owner, h.token, hold)
				if err != nil {
					t.Fatal(err)
				}
				what, got, want = "renew", held, model.renew(h.place, h.owner, tokens[h.token], hold)
			case 3:
				held, err := real.release(t.Context(), p, owner)
				if err != nil {
					t.Fatal(err)
				}
				what, got, want = "release", held, model.release(p, owner)
			case 4:
				held, err := real.held(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				what, got, want = "held", held, model.held(p)
			case 5: // a hold ends
				delete(model.holds, p)
				rdb.Del(t.Context(), real.key("hold", p))
				for _, above := range p.nodes()[:len(p.nodes())-1] {
					rdb.ZAddXX(t.Context(), real.key("below", above), redis.Z{Score: 1, Member: string(p)})
				}
			}
			if got != want {
				t.Fatalf("seed %d, %d: %s %q for %s says %v, the stand-in %v", seed, i, what, p, owner, got, want)
			}
		}
	}
}

type holderOf struct {
	place place
	owner string
	token int64
}

// Nothing runs while nobody waits or holds, nor is anything subscribed to.
func TestNothingAtRest(t *testing.T) {
	s, locks := onServer(t)
	other := newTestLocks(t, newClient(t, s.Addr()))
	before := goleak.IgnoreCurrent()
	l := acquire(t, locks, "a")
	if err := goleak.Find(before); err != nil {
		t.Errorf("while one is held: %v", err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { release(t, acquire(t, other, "a")) })
	}
	waiting(t, s, "a") // on one connection
	release(t, l)
	wg.Wait()
	if err := goleak.Find(before); err != nil {
		t.Errorf("in the end: %v", err)
	}
	if n := s.Command("PUBSUB", "CHANNELS"); n != "" {
		t.Errorf("in the end there is a subscription to %s", n)
	}
}

// What a lock costs the server does not grow with what else is held, in its tree
// or elsewhere.
func TestCostIsThatOfThePath(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t, Hold(time.Hour)) // none of those that are held is prolonged meanwhile
	release(t, acquire(t, locks, "a/b/c"))   // the server learns the scripts
	cost := func() map[string]int {
		s.Command("CONFIG", "RESETSTAT")
		release(t, acquire(t, locks, "a/b/c"))
		calls := map[string]int{}
		for line := range strings.Lines(s.Command("INFO", "commandstats")) {
			name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
			count, _, _ := strings.Cut(rest, ",")
			if n, err := strconv.Atoi(count); err == nil && !strings.HasPrefix(name, "config") {
				calls[name] = n
			}
		}
		return calls
	}
	before := cost()
	if before["evalsha"] != 2 || before["scan"] > 0 || before["keys"] > 0 {
		t.Errorf("it takes %v", before)
	}
	var held []*Lock
	for i := range 1000 {
		held = append(held, acquire(t, locks, fmt.Sprintf("a/b/d%d", i)), acquire(t, locks, fmt.Sprintf("e%d", i)))
	}
	after := cost()
	for command, n := range after { // fewer are needed to prolong what lives long enough
		if n > before[command] {
			t.Errorf("with %d others held it takes\n%v, without\n%v", len(held), after, before)
			break
		}
	}
	for _, l := range held {
		release(t, l)
	}
}
