package tree_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/tree"
)

// everyRead and everyWrite are what there is to call.
func everyRead(ctx context.Context, tr *tree.Tree) map[string]error {
	said := map[string]error{}
	_, said["Get"] = tr.Get(ctx, at("a"))
	_, said["Get of int"] = tree.Get[int](ctx, tr, at("a.n"))
	_, said["Exists"] = tr.Exists(ctx, at("a"))
	_, said["TimeToLive"] = tr.TimeToLive(ctx, at("a"))
	said["Children"], said["Leaves"] = nil, nil
	for _, err := range tr.Children(ctx, at("a")) {
		said["Children"] = err
	}
	for _, err := range tr.Leaves(ctx, at("a")) {
		said["Leaves"] = err
	}
	return said
}

func everyWrite(ctx context.Context, tr *tree.Tree) map[string]error {
	said := map[string]error{}
	said["Set"] = tr.Set(ctx, at("a"), object{"n": 1, "b": object{"c": "x"}}, tree.For(time.Hour))
	_, said["Add"] = tr.Add(ctx, at("a.n"), 1)
	_, said["Expire"] = tr.Expire(ctx, at("a"), 2*time.Hour)
	_, said["Delete"] = tr.Delete(ctx, at("a.b"))
	return said
}

// Whatever is wrong with a server, every call says so, and what to do, and never
// shows a password.
func TestServerAtFault(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	plain, guarded := servers.Redis(t), servers.Redis(t, "--requirepass", password)
	_, port, _ := net.SplitHostPort(plain.Addr())
	replica := servers.Redis(t, "--replicaof", "127.0.0.1 "+port)
	full := servers.Redis(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
	unscripted := servers.Redis(t, "--rename-command", "EVALSHA", "", "--rename-command", "EVAL", "")
	clustered := servers.Redis(t, "--cluster-enabled", "yes")
	strict := servers.Redis(t)
	strict.Command("ACL", "SETUSER", "reader", "on", ">"+password, "~*", "+@connection", "+@read", "+@scripting", "+time")
	gone := servers.Nobody(t)
	closed := redis.NewClient(&redis.Options{Addr: plain.Addr()})
	noError(t, closed.Close())

	noError(t, newTree(t, newClient(t, plain)).Set(t.Context(), at("a"), object{"n": 1}))
	waitFor(t, func() bool { return replica.Command("EXISTS", "{tree:}leaves") == "1" })

	for name, c := range map[string]struct {
		options redis.Options
		client  redis.UniversalClient
		is      error
		says    string
		reads   bool // work, or find nothing
	}{
		"no password":      {options: redis.Options{Addr: guarded.Addr(), MaxRetries: 3}, is: tree.ErrRefused, says: "the server wants a password"},
		"wrong password":   {options: redis.Options{Addr: guarded.Addr(), Password: password + "x"}, is: tree.ErrRefused, says: "user or password is wrong"},
		"few rights":       {options: redis.Options{Addr: strict.Addr(), Username: "reader", Password: password}, is: tree.ErrRefused, says: "the user may not do that", reads: true},
		"replica":          {options: redis.Options{Addr: replica.Addr()}, is: tree.ErrReadOnly, says: "the server is a replica", reads: true},
		"full":             {options: redis.Options{Addr: full.Addr()}, is: tree.ErrReadOnly, says: "memory is full", reads: true},
		"no scripts":       {options: redis.Options{Addr: unscripted.Addr()}, is: tree.ErrRefused, says: "one with scripts"},
		"no such database": {options: redis.Options{Addr: plain.Addr(), DB: 99}, is: tree.ErrRefused, says: "no such database"},
		"no slots":         {options: redis.Options{Addr: clustered.Addr()}, says: "the cluster lacks nodes"},
		"nobody there":     {options: redis.Options{Addr: gone, Password: password}, says: "nobody listens there"},
		"closed":           {client: closed, says: "close it only when nothing uses it"},
	} {
		t.Run(name, func(t *testing.T) {
			rdb := c.client
			if rdb == nil {
				if c.options.MaxRetries == 0 { // 3 where the server closes connections after it has answered
					c.options.MaxRetries = -1
				}
				c.options.PoolSize = 1000
				c.options.DialTimeout, c.options.ReadTimeout = patient, patient
				client := redis.NewClient(&c.options)
				defer func() { noError(t, client.Close()) }()
				rdb = client
			}
			tr := newTree(t, rdb)
			for call, err := range everyRead(t.Context(), tr) {
				if c.reads {
					if err != nil && !errors.Is(err, tree.ErrNotFound) {
						t.Errorf("%s says %v", call, err)
					}
					continue
				}
				faulty(t, call, err, c.is, c.says, password)
			}
			writes := everyWrite(t.Context(), tr)
			writes["Clear"] = tr.Clear(t.Context())
			for call, err := range writes {
				if err == nil && (name == "full" && call != "Set" && call != "Add" || name == "few rights" && (call == "Expire" || call == "Delete")) {
					continue // there is nothing to be done
				}
				if name == "no scripts" && call == "Clear" {
					continue // needs none
				}
				faulty(t, call, err, c.is, c.says, password)
			}
		})
	}
	holds(t, newTree(t, newClient(t, plain)), "", object{"a": object{"n": int64(1)}})
}

func faulty(t *testing.T, call string, err, is error, says, password string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "tree: ") {
		t.Errorf("%s says %v, want %q in it", call, err, says)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%s says %v, which is not %v", call, err, is)
	}
	if is == nil && (errors.Is(err, tree.ErrRefused) || errors.Is(err, tree.ErrReadOnly)) {
		t.Errorf("%s says %v, as if it were the server's will", call, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, password) {
		t.Errorf("%s shows the password: %s", call, text)
	}
}

// The commands that the documentation lists are enough, within scripts too, and
// each is used.
func TestListedCommands(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	const listed = "evalsha eval multi exec unlink time zlexcount zrangebylex zrangebyscore zrevrange zcard zadd zrem zremrangebylex del pexpireat persist hget hset hdel hincrby pexpire"
	s.Command(append([]string{"ACL", "SETUSER", "user", "reset", "on", ">secret", "~{tree:}*", "+hello"}, strings.Fields("+"+strings.ReplaceAll(listed, " ", " +"))...)...)
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true, Username: "user", Password: "secret", DialTimeout: patient, ReadTimeout: patient})
	defer func() { noError(t, rdb.Close()) }()
	tr := newTree(t, rdb)
	for range 2 { // over nothing, and over something
		for call, err := range everyRead(t.Context(), tr) {
			if err != nil && !errors.Is(err, tree.ErrNotFound) {
				t.Errorf("%s: %v", call, err)
			}
		}
		for call, err := range everyWrite(t.Context(), tr) {
			if err != nil {
				t.Errorf("%s: %v", call, err)
			}
		}
	}
	s.Command("DEL", "{tree:}leaves") // is evicted, and its ends are not
	for call, err := range everyWrite(t.Context(), tr) {
		if err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
	set(t, tr, "a.brief", 1, tree.For(time.Millisecond))
	waitFor(t, func() bool { return lookUp(t, tr, at("a.brief")) == nothing })
	for range 1001 {
		_, err := tr.Add(t.Context(), at("a.n"), 1)
		noError(t, err)
	}
	if _, err := tr.Add(t.Context(), at("a"), 1); !errors.Is(err, tree.ErrNotInteger) {
		t.Errorf("Add to a node says %v", err)
	}
	set(t, tr, "text", "x")
	if _, err := tr.Add(t.Context(), at("text"), 1); !errors.Is(err, tree.ErrNotInteger) {
		t.Errorf("Add to a text says %v", err)
	}
	if _, err := tr.Expire(t.Context(), at("a"), storage.Forever); err != nil {
		t.Error(err)
	}
	noError(t, tr.Clear(t.Context()))
	stats := s.Command("INFO", "commandstats")
	for _, command := range strings.Fields(listed) {
		if !strings.Contains(stats, "cmdstat_"+command+":") {
			t.Errorf("%s is listed and never used", command)
		}
	}
}

// Under a context that is over nothing is done; one that ends in the midst ends
// the call.
func TestContexts(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	set(t, tr, "a", object{"n": 1})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	ends := func(ctx context.Context, want error) {
		t.Helper()
		said := everyWrite(ctx, tr)
		for call, err := range everyRead(ctx, tr) {
			said[call] = err
		}
		said["Clear"] = tr.Clear(ctx)
		for call, err := range said {
			if !errors.Is(err, want) {
				t.Errorf("%s says %v, want %v", call, err, want)
			}
		}
	}
	ends(over, context.Canceled)
	holds(t, tr, "", object{"a": object{"n": int64(1)}})
	s.Stop()
	defer s.Cont()
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ends(soon, context.DeadlineExceeded)
}

// What a server has acknowledged and keeps is there after a crash.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t, servers.Durable...)
	tr := newTree(t, newClient(t, s))
	set(t, tr, "a", object{"n": 1, "b": object{"c": "x"}}, tree.For(time.Hour))
	_, err := tr.Add(t.Context(), at("a.n"), 1)
	noError(t, err)
	s.Restart()
	holds(t, tr, "a", object{"n": int64(2), "b": object{"c": "x"}})
	isLeft(t, tr, "a.n", time.Hour)
}
