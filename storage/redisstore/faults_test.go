package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// everyCall is every call that can fail, of every layout.
func everyCall(ctx context.Context, b storage.Bytes) map[string]error {
	said := map[string]error{}
	_, said["Get"] = b.Get(ctx, "a")
	said["Set"] = b.Set(ctx, "a", []byte("1"), time.Hour)
	_, said["Delete"] = b.Delete(ctx, "a")
	if b, ok := b.(storage.BulkBytes); ok {
		_, said["GetMany"] = b.GetMany(ctx, []string{"a", "b"})
		said["SetMany"] = b.SetMany(ctx, []storage.Item{{Key: "a", Keep: time.Hour}, {Key: "b", Keep: time.Hour}})
		_, said["DeleteMany"] = b.DeleteMany(ctx, []string{"a", "b"})
	}
	if b, ok := b.(storage.AdderBytes); ok {
		_, said["Add"] = b.Add(ctx, "a", nil, time.Hour)
	}
	if b, ok := b.(storage.ToucherBytes); ok {
		_, said["Touch"] = b.Touch(ctx, storage.Forever, "a", "b")
	}
	if b, ok := b.(storage.ListerBytes); ok {
		said["Keys"] = nil
		for _, err := range b.Keys(ctx, "a") {
			said["Keys"] = err
		}
		said["Clear"] = b.Clear(ctx, "a")
	}
	if b, ok := b.(storage.FencedBytes); ok {
		_, said["Claim"] = b.Claim(ctx, time.Minute, "a", "b")
		_, said["Fill"] = b.Fill(ctx, storage.Filling{Item: storage.Item{Key: "a", Keep: time.Hour}, Token: "1.x"}, storage.Filling{Item: storage.Item{Key: "b", Keep: time.Hour}, Token: "1.x"})
	}
	if b, ok := b.(storage.SwapperBytes); ok {
		_, said["CompareAndSwap"] = b.CompareAndSwap(ctx, storage.Claimed{Token: "1.x"}, storage.Item{Key: "a", Keep: time.Hour})
	}
	if b, ok := b.(storage.VersionedBytes); ok {
		_, said["Look"] = b.Look(ctx, "a", "b")
		_, said["Swap"] = b.Swap(ctx, storage.Change{Item: storage.Item{Key: "a", Keep: time.Hour}, Becomes: rand.Text()}, storage.Change{Item: storage.Item{Key: "b", Keep: time.Hour}, Becomes: rand.Text()})
	}
	return said
}

var layouts = []string{"entry", "string", "field&hash=h", "value"}

// Whatever is wrong with a server, every call says so, and what to do, once for
// all keys, and never shows a password.
func TestServerAtFault(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	plain, guarded := servers.Redis(t), servers.Redis(t, "--requirepass", password)
	_, plainPort, _ := net.SplitHostPort(plain.Addr())
	replica := servers.Redis(t, "--replicaof", "127.0.0.1 "+plainPort)
	clustered := servers.Redis(t, "--cluster-enabled", "yes")
	strict := servers.Redis(t)
	strict.Command("ACL", "SETUSER", "reader", "on", ">"+password, "~*", "+@connection", "+@read")
	gone := servers.Nobody(t)
	closed := open(t, "redis://%s?layout=entry", plain.Addr())
	closes(t, closed)

	reads := []string{"Get", "GetMany", "Has", "Keys", "Clear", "Look"} // and so are changes of what is not there
	for name, c := range map[string]struct {
		url    string
		params string
		remedy string
		fine   []string // calls that may succeed all the same
	}{
		"no password":      {url: "redis://" + guarded.Addr(), remedy: "the server wants a password"},
		"wrong password":   {url: "redis://:" + password + "x@" + guarded.Addr(), remedy: "user or password is wrong"},
		"wrong user":       {url: "redis://" + password + ":" + password + "@" + guarded.Addr(), remedy: "user or password is wrong"},
		"few rights":       {url: "redis://reader:" + password + "@" + strict.Addr(), remedy: "the user may not do that", fine: reads},
		"replica":          {url: "redis://" + replica.Addr(), remedy: "the server is a replica", fine: append(reads, "Touch", "Fill", "CompareAndSwap")},
		"no such database": {url: "redis://" + plain.Addr() + "/99", remedy: "the server has no such database"},
		"nobody there":     {url: "redis://:" + password + "@" + gone + "/0", remedy: "nobody listens there"},
		"no socket":        {url: "redis+unix://:" + password + "@/nowhere/socket", remedy: "there is no such socket"},
		"empty cluster":    {url: "redis+cluster://:" + password + "@" + gone, remedy: "nobody listens there"},
		"no slots":         {url: "redis://" + clustered.Addr(), remedy: "the cluster lacks nodes", fine: []string{"Keys", "Clear"}},
		"no sentinel":      {url: "redis+sentinel://:" + password + "@" + gone + "/main", params: "&sentinel-password=" + password, remedy: "no sentinel answers"},
		"unknown master":   {url: "redis+sentinel://:" + password + "@" + plain.Addr() + "/main", remedy: "no sentinel answers"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, layout := range layouts {
				params := "retries=0"
				if strings.Contains(c.url, "+cluster") {
					params = "retries=1"
				}
				s := open(t, "%s?pool=1000&%s&layout=%s%s", c.url, params, layout, c.params)
				for call, err := range everyCall(t.Context(), s.Bytes()) {
					if err == nil && (slices.Contains(c.fine, call) || name == "replica" && layout == "value" && call == "Delete") { // of nothing
						continue
					}
					if err == nil || !strings.Contains(err.Error(), c.remedy) || !strings.HasPrefix(err.Error(), "redisstore: ") {
						t.Errorf("%s, %s says %v, want %q in it", layout, call, err, c.remedy)
						continue
					}
					if n := strings.Count(err.Error(), c.remedy); n > 1 && c.remedy != "the user may not do that" {
						t.Errorf("%s, %s says the same %d times: %v", layout, call, n, err)
					}
					for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), s.String(), fmt.Sprint(s.Bytes())} {
						if strings.Contains(text, password) {
							t.Errorf("%s, %s shows the password: %s", layout, call, text)
						}
					}
				}
			}
		})
	}
	t.Run("closed", func(t *testing.T) {
		for call, err := range everyCall(t.Context(), closed.Bytes()) {
			if err == nil || !strings.Contains(err.Error(), "close it only when nothing uses it") {
				t.Errorf("%s says %v", call, err)
			}
		}
		closes(t, closed) // again
	})
}

// The commands that the documentation lists are enough.
func TestListedCommands(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	for layout, commands := range map[string]string{
		"entry":        "pttl hmget evalsha eval time hget hset hdel del pexpireat persist scan unlink",
		"string":       "get set pttl del exists pexpire persist scan unlink",
		"field&hash=h": "hget hmget hset hsetnx hdel hexists hscan",
		"value":        "pttl hmget evalsha eval exists publish hset hstrlen hdel pexpire persist scan &perennial:*",
	} {
		s.Command("FLUSHALL")
		s.Command(append([]string{"ACL", "SETUSER", "user", "reset", "on", ">secret", "~*", "+hello"}, strings.Fields(strings.ReplaceAll("+"+strings.ReplaceAll(commands, " ", " +"), "+&", "&"))...)...)
		b := open(t, "redis://user:secret@%s?layout=%s", s.Addr(), layout).Bytes()
		for range 2 { // over nothing, and over a record
			for call, err := range everyCall(t.Context(), b) {
				if err != nil {
					t.Errorf("%s, %s: %v", layout, call, err)
				}
			}
			if err := b.Set(t.Context(), "a", []byte("1"), time.Hour); err != nil {
				t.Errorf("%s: %v", layout, err)
			}
		}
	}
}

// A server that hangs keeps nobody past the deadline of a context, nor past
// timeout where there is none.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	s := open(t, "redis://%s?timeout=10m&retries=0", server.Addr()).Bytes()
	impatient := open(t, "redis://%s?timeout=100ms&retries=0&pool=50", server.Addr()).Bytes()
	if _, err := s.Get(t.Context(), "a"); err != nil { // there is a connection
		t.Fatal(err)
	}
	server.Stop()
	defer server.Cont()
	const soon = patient

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for call, err := range everyCall(ctx, s) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s says %v, want the end of the context", call, err)
		}
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	if _, err := impatient.Get(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get says %v, want that the context was cancelled in the midst", err)
	}
	for call, err := range everyCall(t.Context(), impatient) {
		if err == nil || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("%s says %v, want what to do about it", call, err)
		}
	}
	if passed := time.Since(began); passed > soon {
		t.Errorf("it took %v", passed)
	}
}

// What a restart loses is found missing, and what it does not is there; and the
// connections that it breaks are no matter of the caller's.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"forgets": nil, "remembers": servers.Durable} {
		t.Run(name, func(t *testing.T) {
			server := servers.Redis(t, args...)
			e := open(t, "redis://%s", server.Addr()).Bytes().(*redisstore.Entries)
			if err := e.Set(t.Context(), "key", []byte("1"), time.Hour); err != nil {
				t.Fatal(err)
			}
			c := claimOf(t, e, "key", time.Hour)
			server.Restart()
			want := ""
			if args != nil {
				want = "1"
			}
			if got := found(t, e, "key"); got != want {
				t.Errorf("after a restart there is %q, want %q", got, want)
			}
			if filled := fillFor(t, e, "key", "filled", time.Hour, c.Token); filled != (args != nil) {
				t.Errorf("after a restart a fill says %v", filled)
			}
		})
	}
}

// Nothing runs while nobody asks: not after a store is opened, nor after it was
// used.
func TestNoGoroutineAtRest(t *testing.T) {
	server, gone := servers.Redis(t), servers.Nobody(t)
	nodes := servers.RedisCluster(t)
	before := goleak.IgnoreCurrent()
	for url, answers := range map[string]bool{
		"redis://" + server.Addr():                                   true,
		"redis://" + server.Addr() + "?layout=string":                true,
		"redis+cluster://" + nodes[0].Addr() + "," + nodes[1].Addr(): true,
		"redis://" + gone:                                            false,
		"redis+sentinel://" + gone + "," + server.Addr() + "/main":   false,
	} {
		s := open(t, "%s", url)
		if err := goleak.Find(before); err != nil {
			t.Errorf("%s is opened: %v", url, err)
		}
		if !answers {
			continue // go-redis tries from time to time to reach what was asked and is away
		}
		everyCall(t.Context(), s.Bytes())
		if err := goleak.Find(before); err != nil {
			t.Errorf("%s was used: %v", url, err)
		}
	}
}

func TestClientIsItsOwners(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	rdb := newClient(t, server)
	e := redisstore.New(rdb)
	s, err := storage.Share(e)
	if err != nil {
		t.Fatal(err)
	}
	closes(t, s)
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Errorf("a client that was handed in is closed: %v", err)
	}
	if want := "redis(" + server.Addr() + "/0, entry)"; s.String() != want {
		t.Errorf("the store is called %s, want %s", s, want)
	}
}

func TestClientsThatAreNone(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{})
	defer closes(t, ring)
	for name, rdb := range map[string]redis.UniversalClient{"nil": nil, "a ring": ring} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.HasPrefix(text, "redisstore: ") {
					t.Errorf("it panics with %v", text)
				}
			}()
			redisstore.New(rdb)
		})
	}
}
