package synced_test

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

// opened is a process's memory over a Redis server.
func opened(t testing.TB, s *servers.Server, opts ...synced.OpenOption) *synced.Memory {
	t.Helper()
	m, err := synced.Open(t.Context(), append([]synced.OpenOption{at(t, s), synced.Prefix(prefix), quiet}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	closesInTime(t, m)
	return m
}

var quiet = synced.Resilient(resilient.Observe(func(resilient.Event) {}))

func at(t testing.TB, s *servers.Server) synced.OpenOption {
	return synced.URL("redis://" + s.Addr() + "?timeout=5s")
}

// The program in the documentation, over a real server, by the environment.
func TestOpenByTheEnvironment(t *testing.T) {
	s := servers.Redis(t)
	host, port, err := net.SplitHostPort(s.Addr())
	done(t, err)
	t.Setenv("REDIS_HOST", host)
	t.Setenv("REDIS_PORT", port)
	t.Setenv("REDIS_PREFIX", "env:")
	m, err := synced.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done(t, variable[int](t, m.Scope("a"), "x").Set(t.Context(), 42))
	if got := s.Command("HGET", "env:a:x", "v"); got != "42" {
		t.Errorf("the server has %q", got)
	}
	done(t, m.Close(t.Context()))
	number, err := strconv.Atoi(port)
	done(t, err)
	m, err = synced.Open(t.Context(), synced.Host(host), synced.Port(number), synced.Prefix("env:a:"))
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, m, "x")
	done(t, m.Close(t.Context()))
}

// A server is killed and started again with what it had: what was changed in
// between is there, and what others see is the same.
func TestRedisIsKilledAndStarted(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t, servers.Durable...)
	a, b := opened(t, s), opened(t, s)
	x, jobs := variable[int](t, a, "x"), list[string](t, a, "jobs")
	done(t, x.Set(t.Context(), 1))
	done(t, jobs.Append(t.Context(), "first"))
	done(t, list[string](t, b, "jobs").Append(t.Context(), "second"))
	wantAll(t, jobs, []string{"first", "second"})
	s.Kill()
	queued(t, x.Set(t.Context(), 2))
	wantValue(t, x, 2)
	queued(t, jobs.Append(t.Context(), "third"))
	queued(t, list[string](t, b, "jobs").Append(t.Context(), "fourth"))
	got, err := jobs.Pop(t.Context())
	if queued(t, err); got != "third" {
		t.Errorf("Pop: %q", got)
	}
	queued(t, variable[int](t, b, "y").Set(t.Context(), 3))
	s.Restart()
	for _, m := range []*synced.Memory{a, b} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		done(t, m.Flush(ctx))
		cancel()
	}
	for _, m := range []*synced.Memory{a, b, opened(t, s)} {
		wantValue(t, variable[int](t, m, "x"), 2)
		wantValue(t, variable[int](t, m, "y"), 3)
		wantAll(t, list[string](t, m, "jobs"), []string{"first", "second", "fourth"})
		wantNames(t, m, "jobs", "x", "y")
	}
}

// A server that does not answer costs one timeout, and reads go on.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	m, err := synced.Open(t.Context(), synced.URL("redis://"+s.Addr()), synced.Prefix(prefix), quiet)
	if err != nil {
		t.Fatal(err)
	}
	x := variable[int](t, m, "x")
	done(t, x.Set(t.Context(), 1))
	s.Stop()
	wantValue(t, x, 1)
	queued(t, x.Set(t.Context(), 2))
	wantValue(t, x, 2)
	s.Cont()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done(t, m.Close(ctx))
	if got := s.Command("HGET", prefix+"x", "v"); got != "2" {
		t.Errorf("the server has %q", got)
	}
}

// A mistake of who uses or sets up the server is told, and is no outage.
func TestRedisRefuses(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	m := opened(t, s)
	s.Command("SET", prefix+"text", "another program's")
	s.Command("HSET", prefix+"hash", "f", "v")
	for _, name := range []string{"text", "hash"} {
		x := variable[int](t, m, name)
		for verb, err := range map[string]error{
			"Get":    last(x.Get(t.Context())),
			"Set":    x.Set(t.Context(), 1),
			"Delete": x.Delete(t.Context()),
			"Update": last(x.Update(t.Context(), func(int) (int, error) { return 1, nil })),
			"Append": list[int](t, m, name).Append(t.Context(), 1),
		} {
			if err == nil || errors.Is(err, synced.ErrQueued) || !strings.Contains(err.Error(), `"`+name+`"`) {
				t.Errorf("%s of %s: the error is %v, want one that names it", verb, name, err)
			}
		}
	}
	if text, hash := s.Command("GET", prefix+"text"), s.Command("HGET", prefix+"hash", "f"); text != "another program's" || hash != "v" {
		t.Errorf("they are %q and %q", text, hash)
	}
	wantNames(t, opened(t, s)) // opens, and has no such names
	if stats := m.Stats(); stats.State != resilient.StateClosed || stats.Trips != 0 || stats.Changes != 0 {
		t.Errorf("Stats: %+v", stats)
	}
}

func TestRedisWantsAPassword(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t, "--requirepass", "secret")
	for _, url := range []string{"redis://" + s.Addr(), "redis://:wr0ng@" + s.Addr()} {
		m, err := synced.Open(t.Context(), synced.URL(url), quiet)
		if err == nil || !strings.Contains(err.Error(), "password") {
			t.Errorf("the error is %v, want one that speaks of the password", err)
		}
		if err == nil {
			done(t, m.Close(t.Context()))
		} else if strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("the password is in the error: %v", err)
		}
	}
	m, err := synced.Open(t.Context(), synced.URL("redis://:secret@"+s.Addr()+"?timeout=5s"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	x := variable[int](t, m, "x")
	done(t, x.Set(t.Context(), 1))
	wantValue(t, x, 1)
	done(t, m.Close(t.Context()))
}

func TestRedisIsAReplica(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	x := variable[int](t, opened(t, s), "x")
	done(t, x.Set(t.Context(), 1))
	s.Command("REPLICAOF", "127.0.0.1", "1")
	m := opened(t, s)
	x = variable[int](t, m, "x")
	wantValue(t, x, 1)
	for verb, err := range map[string]error{
		"Set":    x.Set(t.Context(), 2),
		"Update": last(x.Update(t.Context(), func(int) (int, error) { return 2, nil })),
	} {
		if err == nil || errors.Is(err, synced.ErrQueued) || !strings.Contains(err.Error(), "replica") {
			t.Errorf("%s: the error is %v, want one that speaks of the replica", verb, err)
		}
	}
	wantValue(t, x, 1)
	if state := m.Stats().State; state != resilient.StateClosed {
		t.Errorf("the breaker is %v", state)
	}
}

// While a Watch runs, a Get over a real server asks nobody.
func TestRedisWatched(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	a, b := opened(t, s), opened(t, s)
	ofA, ofB := variable[int](t, a, "x"), variable[int](t, b, "x")
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan synced.Change, 100), make(chan error)
	go func() { ended <- b.Watch(ctx, func(c synced.Change) { told <- c }) }()
	if c := <-told; !c.Missed {
		t.Errorf("it begins with %+v", c)
	}
	done(t, ofA.Set(t.Context(), 1))
	if c := <-told; c != (synced.Change{Name: "x"}) {
		t.Errorf("it tells of %+v", c)
	}
	wantValue(t, ofB, 1)
	before := s.Command("INFO", "commandstats")
	for range 1000 {
		wantValue(t, ofB, 1)
	}
	if calls(before)["hmget"] != calls(s.Command("INFO", "commandstats"))["hmget"] {
		t.Error("Get asks the server")
	}
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("Watch returned %v", err)
	}
}

// calls is how often each command was called, those of scripts among them.
func calls(stats string) map[string]int {
	n := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^cmdstat_([^:|]+)[^:]*:calls=(\d+)`).FindAllStringSubmatch(stats, -1) {
		count, _ := strconv.Atoi(m[2]) // digits
		n[m[1]] += count
	}
	return n
}

// The documentation lists the commands in use, and there are no others.
func TestCommandsAreThoseDocumented(t *testing.T) {
	s := servers.Redis(t)
	s.Command("CONFIG", "RESETSTAT")
	m := opened(t, s, synced.Resilient())
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan synced.Change, 100), make(chan error)
	go func() { ended <- m.Watch(ctx, func(c synced.Change) { told <- c }) }()
	<-told
	x, l, d := variable[int](t, m, "x"), list[int](t, m.Scope("s"), "l"), dict[int](t, m, "d")
	for range 2 { // seen and unseen
		done(t, x.Set(t.Context(), 1))
		_, err := x.Update(t.Context(), func(n int) (int, error) { return n + 1, nil })
		done(t, err)
		done(t, x.Delete(t.Context()))
		_, err = x.Get(t.Context())
		matches(t, err, synced.ErrMissing)
		done(t, l.Append(t.Context(), 1, 2, 3))
		done(t, last(l.Pop(t.Context())))
		done(t, last(l.PopAt(t.Context(), 0)))
		done(t, last(l.Remove(t.Context(), 2)))
		done(t, d.Put(t.Context(), "k", 1))
		done(t, last(d.Pop(t.Context(), "k")))
		done(t, last(m.Names(t.Context())))
		done(t, m.Flush(t.Context()))
		done(t, opened(t, s).Close(t.Context()))
	}
	cancel()
	<-ended
	used := calls(s.Command("INFO", "commandstats"))
	for _, other := range []string{"config", "info", "hello"} { // the test's, and the connection's
		delete(used, other)
	}
	got := []string{"PING"} // a Watch that is told nothing for a while
	for name := range used {
		got = append(got, strings.ToUpper(name))
	}
	slices.Sort(got)
	got = slices.Compact(got)
	text, err := os.ReadFile("doc.go")
	done(t, err)
	listed := strings.Fields(strings.ReplaceAll(regexp.MustCompile(`(?s)//\tcommands(.*?)\n//\n`).FindStringSubmatch(string(text))[1], "//", ""))
	if !slices.Equal(got, slices.Sorted(slices.Values(listed))) {
		t.Errorf("the commands in use are\n%s\nand those in the documentation\n%s", got, listed)
	}
	page, err := os.ReadFile("../../docs/stores.md")
	done(t, err)
	if _, section, ok := strings.Cut(string(page), "## Shared state that survives its server"); ok {
		for _, name := range got {
			if !strings.Contains(section, name) {
				t.Errorf("docs/stores.md does not list %s", name)
			}
		}
	}
}
