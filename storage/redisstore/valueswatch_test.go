package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// watched is a watch that runs, and what it tells.
type watched struct {
	t     *testing.T
	told  chan storage.Changed
	ended chan error
	stop  context.CancelFunc
}

func watch(t *testing.T, w storage.WatcherBytes, prefix string) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &watched{t, make(chan storage.Changed, 1000), make(chan error, 1), cancel}
	var running sync.WaitGroup
	running.Go(func() { r.ended <- w.Watch(ctx, prefix, func(c storage.Changed) { r.told <- c }) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r
}

// tells waits for one thing, and wants nothing before it.
func (w *watched) tells(want storage.Changed) {
	w.t.Helper()
	timer := time.NewTimer(patient)
	defer timer.Stop()
	select {
	case c := <-w.told:
		if c != want {
			w.t.Fatalf("the watch tells %+v, want %+v", c, want)
		}
	case err := <-w.ended:
		w.t.Fatalf("the watch ends with %v, want %+v", err, want)
	case <-timer.C:
		w.t.Fatalf("the watch does not tell %+v", want)
	}
}

func (w *watched) ends(want error) error {
	w.t.Helper()
	timer := time.NewTimer(patient)
	defer timer.Stop()
	select {
	case err := <-w.ended:
		if !errors.Is(err, want) {
			w.t.Fatalf("the watch ends with %v, want %v", err, want)
		}
		return err
	case <-timer.C:
		w.t.Fatal("the watch does not end")
		return nil
	}
}

var (
	missed = storage.Changed{Missed: true}
	lost   = storage.Changed{Lost: true}
)

// A watch goes on when its server does: it tells that it sees nothing, and once
// it sees again, that it has missed something.
func TestWatchOutlivesItsServer(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t, servers.Durable...)
	v := open(t, "redis://%s?layout=value&timeout=3s&retries=0", server.Addr()).Bytes().(*redisstore.Values)
	w := watch(t, v, "a")
	w.tells(missed)
	changes := func() {
		t.Helper()
		if err := v.Set(t.Context(), "abc", []byte("1"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		w.tells(storage.Changed{Key: "abc", Version: versionOf(t, v, "abc")})
	}
	changes()

	server.Kill()
	w.tells(lost)
	server.Restart()
	w.tells(missed)
	changes()

	server.Stop() // its machine hangs: connections stay, and nobody answers
	w.tells(lost)
	server.Cont()
	w.tells(missed)
	changes()

	server.Command("CLIENT", "KILL", "TYPE", "pubsub")
	w.tells(lost)
	w.tells(missed)
	changes()

	w.stop()
	w.ends(context.Canceled)
}

// A server that is away when a watch begins is waited for.
func TestWatchBeginsWithoutAServer(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	server.Kill()
	v := open(t, "redis://%s?layout=value&retries=0", server.Addr()).Bytes().(*redisstore.Values)
	w := watch(t, v, "")
	server.Restart()
	w.tells(missed)
}

// Why a watch has seen nothing is told in the end, also if the context cuts the last
// attempt short, which then knows only that.
func TestWatchSaysWhyItSawNothing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"at a deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := end(t.Context())
			defer cancel()
			dials := 0
			rdb := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, MaxRetries: -1, Dialer: func(dialing context.Context, _, _ string) (net.Conn, error) {
				if dials++; dials == 1 {
					return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
				}
				if name == "cancelled" {
					cancel()
				}
				<-dialing.Done()
				return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
			}})
			defer closes(t, rdb)
			err := redisstore.NewValues(rdb).Watch(ctx, "", func(c storage.Changed) { t.Errorf("it tells %+v", c) })
			if !errors.Is(err, ctx.Err()) || !strings.Contains(err.Error(), "refused") || dials != 2 {
				t.Errorf("%s: Watch returns %v after %d attempts, want the end of the context and what the first said", name, err, dials)
			}
		})
	}
}

// What will not change by itself ends a watch, with what to do about it.
func TestWatchIsRefused(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	guarded, strict := servers.Redis(t, "--requirepass", password), servers.Redis(t)
	strict.Command("ACL", "SETUSER", "mute", "on", ">"+password, "~*", "+@all", "resetchannels")
	for url, remedy := range map[string]string{
		"redis://" + guarded.Addr():                            "the server wants a password",
		"redis://:" + password + "x@" + guarded.Addr():         "user or password is wrong",
		"redis://mute:" + password + "@" + strict.Addr():       "the user may not do that",
		"redis://:" + password + "@" + guarded.Addr() + "/999": "the server has no such database",
	} {
		v := open(t, "%s?layout=value", url).Bytes().(*redisstore.Values)
		err := watch(t, v, "").ends(storage.ErrRefused)
		if !strings.Contains(err.Error(), remedy) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: Watch says %v, want %q in it", url, err, remedy)
		}
	}
	// Who may not tell of a change can't make one.
	v := open(t, "redis://mute:%s@%s?layout=value", password, strict.Addr()).Bytes().(*redisstore.Values)
	if err := v.Set(t.Context(), "key", nil, time.Hour); !errors.Is(err, storage.ErrRefused) || strict.Command("EXISTS", "key") != "0" {
		t.Errorf("Set by a user who may not publish says %v", err)
	}

	s := open(t, "redis://:%s@%s?layout=value", password, guarded.Addr())
	v = s.Bytes().(*redisstore.Values)
	closes(t, s)
	if err := v.Watch(t.Context(), "", func(storage.Changed) {}); err == nil || !strings.Contains(err.Error(), "close it only when nothing uses it") {
		t.Errorf("Watch of a closed store says %v", err)
	}
}

// Databases of a server do not hear of each other.
func TestWatchOfADatabase(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	one := open(t, "redis://%s/1?layout=value", server.Addr()).Bytes().(*redisstore.Values)
	eleven := open(t, "redis://%s/11?layout=value", server.Addr()).Bytes().(*redisstore.Values)
	w := watch(t, one, "")
	w.tells(missed)
	for _, v := range []*redisstore.Values{eleven, one} {
		if err := v.Set(t.Context(), "key", nil, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	w.tells(storage.Changed{Key: "key", Version: versionOf(t, one, "key")})
}

// A server that says what is no message harms nobody: the watch is lost.
func TestWatchOfAnOddServer(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{"*0\r\n", "*1\r\n:1\r\n", ":5\r\n", "*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n", "*2\r\n$8\r\npmessage\r\n$1\r\nx\r\n", "HTTP/1.1 400\r\n\r\n"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				serving.Go(func() { answerOdd(conn, odd) })
			}
		})
		v := open(t, "redis://%s?layout=value", listener.Addr()).Bytes().(*redisstore.Values)
		w := watch(t, v, "")
		w.tells(missed)
		w.tells(lost)
		w.tells(missed)
		w.stop()
		w.ends(context.Canceled)
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	}
}

// answerOdd is a server that lets itself be subscribed to, and then talks
// nonsense.
func answerOdd(conn net.Conn, odd string) {
	defer conn.Close()
	text := make([]byte, 4096)
	for heard := ""; ; {
		n, err := conn.Read(text)
		if err != nil {
			return
		}
		heard = strings.ToLower(string(text[:n]))
		answers := strings.Repeat("-ERR unknown command\r\n", strings.Count(heard, "hello"))
		answers += strings.Repeat("+OK\r\n", strings.Count(heard, "$6\r\nclient\r\n"))
		if strings.Contains(heard, "psubscribe") {
			answers += "*3\r\n$10\r\npsubscribe\r\n$1\r\nx\r\n:1\r\n" + odd
		}
		if _, err := io.WriteString(conn, answers); err != nil {
			return
		}
	}
}

// Nothing is left of a watch that is over.
func TestWatchLeavesNoGoroutine(t *testing.T) {
	server := servers.Redis(t)
	v := redisstore.NewValues(newClient(t, server))
	before := goleak.IgnoreCurrent()
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		err := v.Watch(ctx, "", func(c storage.Changed) {
			if err := goleak.Find(before); err != nil {
				t.Errorf("besides the watch itself there runs %v", err)
			}
			cancel()
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returns %v", err)
		}
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	}
}
