package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// held is a network that keeps what is sent while it is told to, as one does that
// delays the bytes of a connection: they arrive when they are let go, though the
// connection was given up.
type held struct {
	addr string

	mu    sync.Mutex
	holds bool
	after int // pieces that pass before
	kept  []piece
}

type piece struct {
	to   net.Conn
	text []byte
}

func (h *held) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, h.addr)
	return &heldConn{Conn: c, h: h}, err
}

type heldConn struct {
	net.Conn
	h    *held
	kept bool
}

func (c *heldConn) Write(b []byte) (int, error) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if c.h.holds && c.h.after > 0 {
		c.h.after--
	} else if c.h.holds {
		c.kept = true
		c.h.kept = append(c.h.kept, piece{c.Conn, append([]byte(nil), b...)})
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *heldConn) Close() error {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if c.kept {
		return nil // the bytes are under way
	}
	return c.Conn.Close()
}

func (h *held) hold(after int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holds, h.after = true, after
}

// arrive lets what was kept arrive, and returns once the server has answered.
func (h *held) arrive(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holds = false; len(h.kept) == 0 {
		t.Fatal("nothing was held: the test is wrong")
	}
	for _, p := range h.kept {
		_ = p.to.SetDeadline(time.Now().Add(patient)) // of the client's, which are over
		if _, err := p.to.Write(p.text); err != nil {
			t.Fatal(err)
		}
		if _, err := p.to.Read(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
		p.to.Close()
	}
	h.kept = nil
}

// given is how long what is held is waited for.
const given = 150 * time.Millisecond

// TestG4WhatComesLateIsRefused gives up each write of a store while its bytes are on
// their way, deletes the record over another connection, and lets them arrive.
func TestG4WhatComesLateIsRefused(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	type write struct {
		name string
		pass int // trips before the one that is held
		do   func(ctx context.Context, b layout) error
	}
	set := write{"set", 0, func(ctx context.Context, b layout) error { return b.Set(ctx, "key", []byte("OLD"), time.Hour) }}
	add := write{"add", 0, func(ctx context.Context, b layout) error {
		_, err := b.Add(ctx, "key", []byte("OLD"), time.Hour)
		return err
	}}
	bulk := write{"set of many", 0, func(ctx context.Context, b layout) error {
		return b.(storage.BulkBytes).SetMany(ctx, []storage.Item{{Key: "other", Value: []byte("OLD"), Keep: time.Hour}, {Key: "key", Value: []byte("OLD"), Keep: time.Hour}})
	}}
	swap := write{"compare and swap, whose claim arrives", 1, func(ctx context.Context, b layout) error {
		fenced, ok := b.(storage.SwapperBytes)
		if !ok {
			return nil
		}
		claims, err := fenced.Claim(ctx, time.Hour, "key")
		if err != nil {
			return nil // the test is wrong
		}
		_, err = fenced.CompareAndSwap(ctx, claims[0], storage.Item{Key: "key", Value: []byte("OLD"), Keep: time.Hour})
		return err
	}}
	second := func(w write) write { return write{w.name + ", of which the first trip arrives", 1, w.do} }
	for _, c := range []struct {
		layout string
		known  bool // the server's time
		write  write
		back   bool // it is not refused
	}{
		{"entry", true, set, false}, {"entry", true, add, false}, {"entry", true, bulk, false}, {"entry", true, swap, false},
		{"entry", false, second(set), false}, {"entry", false, second(add), false}, {"entry", false, second(bulk), false},
		{"string", true, set, true}, {"string", true, add, true}, // a control, and what its documentation says
	} {
		t.Run(fmt.Sprintf("%s, known=%v, %s", c.layout, c.known, c.write.name), func(t *testing.T) {
			s.Command("FLUSHDB")
			h := &held{addr: s.Addr()}
			rdb := redis.NewClient(&redis.Options{Dialer: h.dial, ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 1, Protocol: 2})
			defer rdb.Close()
			var b, other layout = redisstore.New(rdb), redisstore.New(newClient(t, s))
			if c.layout == "string" {
				b, other = redisstore.NewStrings(rdb), redisstore.NewStrings(newClient(t, s))
			}
			if err := rdb.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if c.known {
				if _, err := b.Get(t.Context(), "key"); err != nil {
					t.Fatal(err)
				}
			}
			knowScripts(t, s)
			h.hold(c.write.pass)
			ctx, cancel := context.WithTimeout(t.Context(), given)
			defer cancel()
			if err := c.write.do(ctx, b); err == nil {
				t.Fatal("it is done: the test is wrong")
			}
			if _, err := other.Delete(t.Context(), "key"); err != nil {
				t.Fatal(err)
			}
			h.arrive(t)
			r, err := other.Get(t.Context(), "key")
			if err != nil || r.Found != c.back {
				t.Errorf("%q is found: %v, %v", r.Value, r.Found, err)
			}
		})
	}
}

// knowScripts has a server know the scripts: to be told one is another trip.
func knowScripts(t *testing.T, s *servers.Server) {
	t.Helper()
	for range 2 { // the first Set is another script than the second
		e := redisstore.New(newClient(t, s))
		for _, key := range []string{"script 1", "script 2"} {
			if err := e.Set(t.Context(), key, nil, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.Add(t.Context(), "script 3", nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := redisstore.New(newClient(t, s)).Add(t.Context(), "script 4", nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		fillFor(t, e, "script 1", "v", time.Hour, claimOf(t, e, "script 1", time.Hour).Token)
		casOf(t, e, "script 1", "v", claimOf(t, e, "script 1", time.Hour))
		if _, err := e.DeleteMany(t.Context(), []string{"script 1", "script 2", "script 3", "script 4"}); err != nil {
			t.Fatal(err)
		}
	}
}

// inBetween is a hook that sends every pipeline twice, as go-redis does where a
// connection breaks before the answer comes, and does something in between.
type inBetween struct{ do func() }

func (inBetween) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (inBetween) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (b inBetween) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := next(ctx, cmds); err != nil {
			return err
		}
		b.do()
		return next(ctx, cmds)
	}
}

// TestG4WhatIsSentAgainUndoesNothing has each write done, the record deleted or set by
// another, and the write sent again.
func TestG4WhatIsSentAgainUndoesNothing(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	other := redisstore.New(newClient(t, s))
	for _, then := range []string{"nothing", "delete", "set"} {
		for _, what := range []string{"set", "add", "first set", "fill"} {
			t.Run(what+", "+then, func(t *testing.T) {
				s.Command("FLUSHDB")
				knowScripts(t, s)
				rdb, watch := newClient(t, s), newClient(t, s)
				b := redisstore.New(rdb)
				if what != "first set" {
					found(t, b, "key") // tells the server's time
				}
				token := ""
				if what == "fill" {
					token = claimOf(t, b, "key", time.Hour).Token
				}
				rdb.AddHook(inBetween{func() {
					if watch.HGet(context.Background(), "key", "v").Val() != "OLD" {
						return // not the write that stores
					}
					var err error
					switch then {
					case "delete":
						_, err = other.Delete(context.Background(), "key")
					case "set":
						err = other.Set(context.Background(), "key", []byte("new"), time.Hour)
					}
					if err != nil {
						t.Error(err)
					}
				}})
				ctx, cancel := context.WithTimeout(t.Context(), 10*given)
				defer cancel()
				var err error
				switch what {
				case "add":
					_, err = b.Add(ctx, "key", []byte("OLD"), time.Hour)
				case "fill":
					_, err = b.Fill(ctx, storage.Filling{Item: storage.Item{Key: "key", Value: []byte("OLD"), Keep: time.Hour}, Token: token})
				default:
					err = b.Set(ctx, "key", []byte("OLD"), time.Hour)
				}
				if then == "nothing" && err != nil {
					t.Errorf("it knows itself again, and says %v", err)
				}
				want := map[string]string{"nothing": "OLD", "delete": "", "set": "new"}[then]
				if got := found(t, other, "key"); got != want {
					t.Errorf("%q is found, want %q; it says %v", got, want, err)
				}
			})
		}
	}
}

// TestSetIsOneTrip counts the trips of writes: the first Set of a client is two, for
// the server's time is not known.
func TestSetIsOneTrip(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	knowScripts(t, s)
	var claimed storage.Claimed
	rdb, trips := newClient(t, s), 0
	rdb.AddHook(counted{&trips})
	e := redisstore.New(rdb)
	for _, c := range []struct {
		what string
		do   func() error
		want int
	}{
		{"first Set", func() error { return e.Set(t.Context(), "key", nil, time.Hour) }, 2},
		{"Set", func() error { return e.Set(t.Context(), "key", nil, time.Hour) }, 1},
		{"SetMany", func() error {
			return e.SetMany(t.Context(), []storage.Item{{Key: "a", Keep: time.Hour}, {Key: "b", Keep: time.Hour}})
		}, 1},
		{"Get", func() error { _, err := e.Get(t.Context(), "key"); return err }, 1},
		{"Claim", func() error { claimed = claimOf(t, e, "key", time.Hour); return nil }, 1},
		{"Fill", func() error { fillFor(t, e, "key", "v", time.Hour, claimed.Token); return nil }, 1},
		{"CompareAndSwap", func() error { casOf(t, e, "key", "v", claimed); return nil }, 1},
		{"Delete", func() error { _, err := e.Delete(t.Context(), "key"); return err }, 1},
	} {
		if trips = 0; c.do() != nil || trips != c.want {
			t.Errorf("%s takes %d trips, want %d", c.what, trips, c.want)
		}
	}
}

type counted struct{ trips *int }

func (counted) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (counted) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (c counted) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		*c.trips++
		return next(ctx, cmds)
	}
}
