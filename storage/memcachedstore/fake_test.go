package memcachedstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/storage"
)

// fake is a server in memory, for virtual time. serve has each connection until it
// returns.
func fake(timeout time.Duration, serve func(conn net.Conn)) *memcache.Client {
	client := memcache.New("127.0.0.1:1")
	client.Timeout, client.MaxIdleConns = timeout, 4
	client.DialContext = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			serve(there)
		}()
		return here, nil
	}
	return client
}

// says has a server say texts, each after a pause, whatever it is asked. The last
// one it says without end.
func says(pause time.Duration, texts ...string) func(net.Conn) {
	return func(conn net.Conn) {
		asked := make([]byte, 1<<16)
		if _, err := conn.Read(asked); err != nil {
			return
		}
		go io.Copy(io.Discard, conn)
		for i := 0; ; i++ {
			time.Sleep(pause)
			if _, err := io.WriteString(conn, texts[min(i, len(texts)-1)]); err != nil {
				return
			}
		}
	}
}

// in returns what f needs of the time of its bubble.
func in(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// TestAnswersThatDoNotEnd has a trip end with the timeout, from its request on,
// however often the server says something.
func TestAnswersThatDoNotEnd(t *testing.T) {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	value := "VALUE key1 0 3 1\r\nabc\r\n"
	for name, serve := range map[string]func(net.Conn){
		"an item every 100 ms":        says(100*time.Millisecond, value),
		"a byte of a line":            says(100*time.Millisecond, "V"),
		"a byte of a value":           says(100*time.Millisecond, "VALUE key1 0 60000 1\r\n", "a"),
		"nothing":                     says(time.Hour, "END\r\n"),
		"nothing after half an item":  func(conn net.Conn) { halfAnItem(conn) },
		"nothing, and reads nothing":  func(conn net.Conn) { time.Sleep(time.Hour) },
		"reads a byte every 100 ms":   func(conn net.Conn) { dripRead(conn) },
		"a line without end, at once": says(0, strings.Repeat("x", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const timeout = 250 * time.Millisecond
				s := New(fake(timeout, serve))
				ask := map[string]func() error{
					"Get":     func() error { _, err := s.Get(t.Context(), "key1"); return err },
					"GetMany": func() error { _, err := s.GetMany(t.Context(), keys); return err },
					"Set":     func() error { return s.Set(t.Context(), "key1", []byte(value), time.Hour) },
					"Delete":  func() error { _, err := s.Delete(t.Context(), "key1"); return err },
					"Claim":   func() error { _, err := s.Claim(t.Context(), time.Hour, keys[:3]...); return err },
				}
				for what, f := range ask {
					var err error
					if took := in(func() { err = f() }); err == nil || took > timeout {
						t.Errorf("%s returns after %v: %v", what, took, err)
					}
				}
				// Those whose callers leave have places no longer.
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				for range cap(s.nodes[0].places) {
					go s.GetMany(ctx, keys)
				}
				synctest.Wait()
				if took := in(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}); took > timeout {
					t.Errorf("Close returns after %v", took)
				}
				time.Sleep(2 * time.Hour) // for goroutines of the fake
			})
		})
	}
}

func halfAnItem(conn net.Conn) {
	go io.Copy(io.Discard, conn)
	_, _ = io.WriteString(conn, "VALUE key1 0 3 1\r\na")
	time.Sleep(time.Hour)
}

func dripRead(conn net.Conn) {
	for {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestPromisesAreNotBelieved has values that are not there, or not asked for.
func TestPromisesAreNotBelieved(t *testing.T) {
	const most = 1000
	for _, c := range []struct {
		answer string
		bad    bool
	}{
		{"VALUE k 0 4294967290\r\n", true},
		{"VALUE k 0 4294967290 7\r\nabc\r\nEND\r\n", true},
		{"VALUE k 0 4294967295 7 8\r\n", true},
		{"VALUE k 0 18446744073709551615\r\n", true},
		{"VALUE k 0 1033\r\n", true}, // with its header one more than there may be
		{"VALUE k 0 1000 1\r\n" + strings.Repeat("x", 1000) + "\r\nVALUE j 0 33 1\r\n", true},
		{"VALUE k 0 -1\r\n", true},
		{"VALUE k 0  7\r\n", true},
		{"VALUE k\r\n", true},
		{"VALUE  k 4294967290 5\r\nabcde\r\nEND\r\n", true},
		{"VALUE k 0 1 1\r\nx\r\nVALUE j 0 1 1\r\nx\r\nVALUE k 0 1 1\r\nx\r\nEND\r\n", true},
		{"END\r\nVALUE k 0 1 1\r\nx\r\nEND\r\n", true},
		{"END\r\nEND\r\n", true},
		{strings.Repeat("x", mostLine) + "\r\n", true},
		{"VALUE k 0 1032 1\r\n" + strings.Repeat("x", 1032) + "\r\nEND\r\n", false},
		{"VALUE k 0 0 1\r\n\r\nVALUE j 0 1032\r\n" + strings.Repeat("\n", 1032) + "\r\nEND\r\n", false},
		{"END\r\n", false},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				client := fake(time.Second, func(conn net.Conn) {
					_, _ = conn.Read(make([]byte, 1000))
					for b := c.answer; b != ""; b = b[min(piece, len(b)):] {
						if _, err := io.WriteString(conn, b[:min(piece, len(b))]); err != nil {
							return
						}
					}
					_, _ = conn.Read(make([]byte, 1))
				})
				s := New(client, MaxValue(most))
				var err error
				took := allocated(func() { _, err = s.getMany(t.Context(), []string{"k", "j"}) })
				unseen := strings.HasPrefix(c.answer, "END\r\n") && piece < len(c.answer) // it comes after the trip
				if errors.Is(err, ErrAnswer) != c.bad && !unseen {
					t.Errorf("%.40q in pieces of %d: %v", c.answer, piece, err)
				}
				if took > 1<<20 {
					t.Errorf("%.40q takes %d bytes of memory", c.answer, took)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestFloods counts what a server gets rid of until it is cut off.
func TestFloods(t *testing.T) {
	const most = 1 << 16
	for name, text := range map[string]string{
		"values":       "VALUE k 0 1000 1\r\n" + strings.Repeat("x", 1000) + "\r\n",
		"empty values": strings.Repeat("VALUE k 0 0 1\r\n\r\n", 50),
		"lines":        strings.Repeat("STORED\r\n", 1000),
		"no lines":     strings.Repeat("x", 10_000),
	} {
		synctest.Test(t, func(t *testing.T) {
			var said atomic.Int64
			s := New(fake(time.Second, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 100_000))
				for {
					n, err := io.WriteString(conn, text)
					said.Add(int64(n))
					if err != nil {
						return
					}
				}
			}), MaxValue(most))
			keys := strings.Fields(strings.Repeat("k ", 1000))
			for i := range keys {
				keys[i] += strconv.Itoa(i)
			}
			for _, f := range []func() error{
				func() error { _, err := s.GetMany(t.Context(), keys); return err },
				func() error { return s.Set(t.Context(), "k", nil, time.Hour) },
			} {
				said.Store(0)
				if err := f(); err == nil {
					t.Errorf("%s: no error", name)
				}
				if n := said.Load(); n > int64(most+2*len(keys)*20) {
					t.Errorf("%s: %d bytes were taken", name, n)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestValuesOverTheLimit are refused before they are sent; a Set leaves nothing.
func TestValuesOverTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		s := New(fake(time.Second, func(conn net.Conn) {
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				asked = append(asked, lines.Text())
				io.WriteString(conn, "DELETED\r\n")
			}
		}), MaxValue(10))
		ctx, value := t.Context(), make([]byte, 11)
		if err := s.Set(ctx, "k", value, time.Hour); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "max-value") {
			t.Errorf("Set returns %v", err)
		}
		if _, err := s.Add(ctx, "k", value, time.Hour); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Add returns %v", err)
		}
		filling := storage.Filling{Item: storage.Item{Key: "k", Value: value, Keep: time.Hour}, Token: token(1, none, orderOf(0))}
		if _, err := s.Fill(ctx, filling); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Fill returns %v", err)
		}
		if _, err := s.CompareAndSwap(ctx, storage.Claimed{Token: filling.Token}, filling.Item); !errors.Is(err, ErrTooLarge) {
			t.Errorf("CompareAndSwap returns %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if len(asked) != 1 || asked[0] != "delete k" {
			t.Errorf("the server is asked %q", asked)
		}
	})
}

// broken is a connection of somebody's own that panics, or says what can't be.
type broken struct {
	net.Conn
	read, write, deadline, closing bool
	says                           int
}

func (c *broken) Read(b []byte) (int, error) {
	if c.read {
		panic("read")
	}
	return c.says, nil
}

func (c *broken) Write(b []byte) (int, error) {
	if c.write {
		panic("write")
	}
	return len(b), nil
}

func (c *broken) SetDeadline(time.Time) error {
	if c.deadline {
		panic("deadline")
	}
	return nil
}

func (c *broken) Close() error {
	if c.closing {
		panic("close")
	}
	return nil
}

// TestPanicsOfConnections are errors, also where the client calls them on
// goroutines of its own.
func TestPanicsOfConnections(t *testing.T) {
	for _, conn := range []*broken{
		{read: true}, {write: true}, {deadline: true}, {says: -1}, {says: 1 << 40}, {read: true, closing: true}, nil,
	} {
		client := memcache.New("127.0.0.1:1")
		client.DialContext = func(context.Context, string, string) (net.Conn, error) {
			if conn == nil {
				panic("dial")
			}
			return conn, nil
		}
		s := New(client)
		for what, f := range map[string]func() error{
			"Get":     func() error { _, err := s.Get(t.Context(), "k"); return err },
			"GetMany": func() error { _, err := s.GetMany(t.Context(), []string{"k", "j"}); return err },
			"Set":     func() error { return s.Set(t.Context(), "k", nil, time.Hour) },
			"Delete":  func() error { _, err := s.Delete(t.Context(), "k"); return err },
		} {
			if err := f(); err == nil || !strings.Contains(err.Error(), "panicked") {
				t.Errorf("%+v: %s returns %v", conn, what, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%+v: Close returns %v", conn, err)
		}
	}
}

// endless keeps to no deadline.
type endless struct{ net.Conn }

func (endless) SetDeadline(time.Time) error { return nil }

// TestCloseGivesUp has trips that nothing ends: Close returns, and says so.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		client := fake(time.Second, func(net.Conn) { <-end })
		dial := client.DialContext
		client.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			return endless{c}, err
		}
		s := New(client)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get returns %v", err)
		}
		var err error
		took := in(func() { err = s.Close() })
		if err == nil || !strings.Contains(err.Error(), "1 trips go on") || took != 5*time.Second {
			t.Errorf("Close returns after %v: %v", took, err)
		}
		close(end)
	})
}

// TestAnything has a server that answers anything, one of these after the other,
// to calls of all kinds. PERENNIAL_SEED repeats a run.
func TestAnything(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("PERENNIAL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("PERENNIAL_SEED=%d", seed)
	start := time.Now()
	took := allocated(func() {
		for round := range uint64(60) {
			synctest.Test(t, func(t *testing.T) { anything(t, seed+round) })
		}
	})
	t.Logf("%v, %d MiB were reserved in all", time.Since(start), took>>20)
	if took > 2<<30 {
		t.Errorf("%d bytes were reserved", took)
	}
}

func anything(t *testing.T, seed uint64) {
	const timeout, most = 250 * time.Millisecond, 1 << 16
	var conns atomic.Uint64
	s := New(fake(timeout, func(conn net.Conn) {
		babble(conn, rand.New(rand.NewPCG(seed, conns.Add(1))))
	}), MaxValue(most))
	var calls sync.WaitGroup
	for worker := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1000+worker))
		calls.Go(func() {
			for range 15 {
				limit := time.Duration(1+r.IntN(2000)) * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				keys := []string{"a", "b", "c"}[:1+r.IntN(3)]
				var what string
				took := in(func() { what = someCall(ctx, s, r, keys) })
				cancel()
				if took > limit {
					t.Errorf("seed %d: %s returns after %v of %v", seed, what, took, limit)
				}
			}
		})
	}
	calls.Wait()
	took := in(func() {
		if err := s.Close(); err != nil {
			t.Errorf("seed %d: Close: %v", seed, err)
		}
	})
	if took > 4*timeout {
		t.Errorf("seed %d: Close returns after %v", seed, took)
	}
	time.Sleep(time.Minute) // the server notices, and its goroutines end
}

func someCall(ctx context.Context, s *Store, r *rand.Rand, keys []string) (what string) {
	switch value := make([]byte, r.IntN(5000)); r.IntN(8) {
	case 0:
		_, _ = s.Get(ctx, keys[0])
		return "Get"
	case 1:
		_, _ = s.GetMany(ctx, keys)
		return "GetMany"
	case 2:
		_ = s.Set(ctx, keys[0], value, time.Hour)
		return "Set"
	case 3:
		_, _ = s.Add(ctx, keys[0], value, time.Hour)
		return "Add"
	case 4:
		_, _ = s.Delete(ctx, keys[0])
		return "Delete"
	case 5:
		_, _ = s.Claim(ctx, time.Minute, keys...)
		return "Claim"
	case 6:
		was := storage.Claimed{Record: storage.Record{Value: value, Found: r.IntN(2) == 0}, Token: token(r.Uint64(), never, orderOf(r.Uint32()))}
		_, _ = s.CompareAndSwap(ctx, was, storage.Item{Key: keys[0], Value: value, Keep: time.Hour})
		return "CompareAndSwap"
	default:
		_, _ = s.Fill(ctx, storage.Filling{Item: storage.Item{Key: keys[0], Value: value, Keep: time.Hour}, Token: token(r.Uint64(), never, orderOf(r.Uint32()))})
		return "Fill"
	}
}

// babble answers until the connection is closed.
func babble(conn net.Conn, r *rand.Rand) {
	go io.Copy(io.Discard, conn) // so that it may speak unasked, too
	number := func() string {
		return []string{"0", "1", "3", "40", "70000", "4294967290", "-1", "18446744073709551615", "x", ""}[r.IntN(10)]
	}
	for {
		var text string
		switch r.IntN(14) {
		case 0, 1:
			text = []string{"STORED\r\n", "NOT_STORED\r\n", "EXISTS\r\n", "NOT_FOUND\r\n", "DELETED\r\n", "END\r\n", "OK\r\n"}[r.IntN(7)]
		case 2:
			text = fmt.Sprintf("VALUE %s %s %s %s\r\n", []string{"a", "b", "other"}[r.IntN(3)], number(), number(), number())
		case 3, 4, 5:
			now := time.Now()
			item := newRecord(now, make([]byte, r.IntN(3000)), time.Hour).item([]string{"a", "b", "c"}[r.IntN(3)], now)
			text = fmt.Sprintf("VALUE %s %d %d %d\r\n%s\r\n", item.Key, item.Flags, len(item.Value)+r.IntN(20)/19, r.Uint64(), item.Value)
		case 6:
			text = strings.Repeat("VALUE a 0 0 1\r\n\r\n", r.IntN(1000))
		case 7:
			text = "SERVER_ERROR object too large for cache\r\n"
		case 8:
			text = strings.Repeat("x", r.IntN(1<<20))
		case 9:
			time.Sleep(time.Duration(r.IntN(600)) * time.Millisecond)
		case 10:
			return // hangs up
		default:
			text = "END\r\n"
		}
		pieces := 1 + r.IntN(3)*r.IntN(20)
		for len(text) > 0 {
			n := min(len(text), len(text)/pieces+1)
			if _, err := io.WriteString(conn, text[:n]); err != nil {
				return
			}
			text = text[n:]
			if pieces > 1 {
				time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
			}
		}
	}
}
