package memcachedstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// keyOn is a key that a store has on the server given.
func keyOn(s *Store, addr string) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("key", i); s.nodeOf(onServer(key)).name == addr {
			return key
		}
	}
}

func TestServerAway(t *testing.T) {
	ctx := context.Background()
	away, there := servers.Memcached(t), servers.Memcached(t)
	s := at(t, away.Addr(), there.Addr())
	lost, kept := keyOn(s, away.Addr()), keyOn(s, there.Addr())
	set(t, s, lost, "1", time.Hour)
	set(t, s, kept, "2", time.Hour)
	var busy sync.WaitGroup // so that there are many idle connections
	for range 8 {
		busy.Go(func() {
			if _, err := s.GetMany(ctx, []string{lost, kept}); err != nil {
				t.Error(err)
			}
		})
	}
	busy.Wait()
	away.Kill()
	names := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), away.Addr()) {
			t.Errorf("%s returns %v, want an error that names %s", what, err, away.Addr())
		}
	}
	_, err := s.Get(ctx, lost)
	names("Get", err)
	names("Set", s.Set(ctx, lost, nil, time.Hour))
	_, err = s.Delete(ctx, lost)
	names("Delete", err)
	_, err = s.Add(ctx, lost, nil, time.Hour)
	names("Add", err)
	_, err = s.Claim(ctx, time.Hour, kept, lost)
	names("Claim", err)
	records, err := s.GetMany(ctx, []string{lost, kept})
	names("GetMany", err)
	if len(records) != 2 || records[0].Found || string(records[1].Value) != "2" {
		t.Errorf("GetMany returns %v of the server that is there", records)
	}
	if r := get(t, s, kept); string(r.Value) != "2" {
		t.Errorf("Get returns %q from the server that is there", r.Value)
	}
	away.Restart()
	if r := get(t, s, lost); r.Found {
		t.Error("a server that has started again has its records")
	}
	set(t, s, lost, "3", time.Hour)
	if r := get(t, s, lost); string(r.Value) != "3" {
		t.Errorf("Get returns %q", r.Value)
	}
}

// TestRestartIsNotSeen has a server start again between two calls: the idle
// connections are cut, and no call fails for it.
func TestRestartIsNotSeen(t *testing.T) {
	server := servers.Memcached(t)
	s := at(t, server.Addr())
	idle := func() {
		var calls sync.WaitGroup
		for i := range 50 {
			calls.Go(func() { set(t, s, fmt.Sprint(i), "1", time.Hour) })
		}
		calls.Wait()
	}
	idle()
	server.Restart()
	idle()
	if r := get(t, s, "1"); !r.Found {
		t.Error("nothing is there")
	}
}

// TestServerHangs has one of two servers answer nothing: calls end with their
// contexts, and those to the other server do not wait.
func TestServerHangs(t *testing.T) {
	hung, there := servers.Memcached(t), servers.Memcached(t)
	s := at(t, hung.Addr(), there.Addr())
	stuck, free := keyOn(s, hung.Addr()), keyOn(s, there.Addr())
	set(t, s, stuck, "1", time.Hour)
	set(t, s, free, "2", time.Hour)
	hung.Stop()
	for { // what it had begun it ends
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := s.Get(ctx, stuck)
		cancel()
		if err != nil {
			break
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var calls sync.WaitGroup
	for range 50 { // more than there are places
		calls.Go(func() {
			if _, err := s.Get(ctx, stuck); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Get returns %v", err)
			}
		})
	}
	calls.Wait()
	if n := len(s.nodeOf(stuck).places); n != cap(s.nodeOf(stuck).places) {
		t.Errorf("%d trips are under way", n)
	}
	if r := get(t, s, free); string(r.Value) != "2" {
		t.Errorf("Get returns %q", r.Value)
	}
	hung.Cont()
	if r := get(t, s, stuck); string(r.Value) != "1" {
		t.Errorf("Get returns %q", r.Value)
	}
}

// TestTimeout has the server hang, and the callers have time.
func TestTimeout(t *testing.T) {
	server := servers.Memcached(t)
	s := closed(t, newStore([]*node{newNode(serverOf(server.Addr()), time.Second, 2)}, nil))
	set(t, s, "a", "1", time.Hour)
	server.Stop()
	var err error
	for err == nil { // what it had begun it ends
		_, err = s.Get(context.Background(), "a")
	}
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("Get returns %v", err)
	}
	server.Cont()
	if r := get(t, s, "a"); !r.Found {
		t.Error("nothing is there")
	}
}

// TestLostAnswers loses the answer to everything: what was asked is asked once
// more, and means what it would have meant.
func TestLostAnswers(t *testing.T) {
	ctx := context.Background()
	w := wireTo(t, servers.Memcached(t).Addr(), "")
	s := at(t, w.addr)
	w.lose.Store(1)
	set(t, s, "set", "1", time.Hour)
	w.lose.Store(1)
	if added, err := s.Add(ctx, "added", []byte("1"), time.Hour); err != nil || !added {
		t.Errorf("Add says %v, %v", added, err)
	}
	w.lose.Store(1)
	if r := get(t, s, "set"); string(r.Value) != "1" {
		t.Errorf("Get returns %q", r.Value)
	}
	for _, key := range []string{"set", "none"} {
		w.lose.Store(1)
		claims, err := s.Claim(ctx, 2*time.Hour, key)
		if err != nil {
			t.Fatal(err)
		}
		w.lose.Store(1)
		stored, err := s.Fill(ctx, storage.Filling{Item: storage.Item{Key: key, Value: []byte("filled"), Keep: time.Hour}, Token: claims[0].Token})
		if err != nil || !stored[0] {
			t.Errorf("Fill says %v, %v", stored, err)
		}
		if r := get(t, s, key); string(r.Value) != "filled" {
			t.Errorf("Get returns %q", r.Value)
		}
	}
	w.lose.Store(1)
	if existed, err := s.Delete(ctx, "set"); err != nil || !existed {
		t.Errorf("Delete says %v, %v", existed, err)
	}
	w.lose.Store(2) // and once more is not enough
	if err := s.Set(ctx, "set", nil, time.Hour); err == nil {
		t.Error("Set says nothing, though all its answers were lost")
	}
	w.cut()
	if r := get(t, s, "added"); string(r.Value) != "1" {
		t.Errorf("after a cut Get returns %q", r.Value)
	}
}

// TestNonsense has a server that says what memcached would not.
func TestNonsense(t *testing.T) {
	for _, answer := range []string{
		"", "\r\n", "nonsense\r\n", "VALUE", "VALUE \r\n", "VALUE a\r\n", "VALUE a 0 -1\r\n", "VALUE a 0 3\r\nabcdefgh\r\n",
		"VALUE a 0 3 1\r\nabc\r\nEND\r\n", "VALUE other 0 3 1\r\nabc\r\nEND\r\n", "VALUE a 0 3 1\r\nabc\r\n", "VALUE a 0 5", "ERROR\r\n",
		"SERVER_ERROR out of memory storing object\r\n", "CLIENT_ERROR bad data chunk\r\n",
	} {
		w := wireTo(t, "", answer)
		s := at(t, w.addr)
		ctx := context.Background()
		r, err := s.Get(ctx, "a")
		if err == nil || r.Found {
			t.Errorf("%q: Get returns %v, %v", answer, r, err)
		}
		if err := s.Set(ctx, "a", nil, time.Hour); err == nil {
			t.Errorf("%q: Set returns nothing", answer)
		}
		if records, err := s.GetMany(ctx, []string{"a"}); err == nil && records[0].Found {
			t.Errorf("%q: GetMany returns %v", answer, records)
		}
	}
}

// TestServersShareKeys has keys spread evenly; when a server joins, those that
// move go to it.
func TestServersShareKeys(t *testing.T) {
	names := []string{"a:11211", "b:11211", "c:11211", "d:11211"}
	var before, after Store
	for i, name := range names {
		n := newNode(serverOf(name), time.Second, 1)
		after.nodes = append(after.nodes, n)
		if i < 3 {
			before.nodes = append([]*node{n}, before.nodes...) // their order is nothing
		}
	}
	const keys = 10_000
	count := map[string]int{}
	for i := range keys {
		key := fmt.Sprint("service:function:1:", i)
		was, is := before.nodeOf(key), after.nodeOf(key)
		count[is.name]++
		if is != was && is.name != names[3] {
			t.Fatalf("%s moves from %s to %s", key, was.name, is.name)
		}
	}
	for _, name := range names {
		if n := count[name]; n < keys/4*9/10 || n > keys/4*11/10 {
			t.Errorf("%s has %d of %d keys", name, n, keys)
		}
	}
}
