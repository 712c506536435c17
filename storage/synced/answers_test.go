package synced_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

// babbler stands before a server, and answers in its place: from a request of each
// connection on, and with something that no server says.
type babbler struct {
	listener net.Listener
	server   *servers.Server
	running  sync.WaitGroup

	mu     sync.Mutex
	answer string // "" where the server answers
	from   int
	conns  map[net.Conn]bool
}

func newBabbler(t *testing.T, s *servers.Server, answer string, from int) *babbler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &babbler{listener: l, server: s, answer: answer, from: from, conns: map[net.Conn]bool{}}
	b.running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			b.running.Go(func() { b.serve(client) })
		}
	})
	t.Cleanup(func() {
		closes(t, l)
		b.says("")
		b.running.Wait()
	})
	return b
}

// says has it answer otherwise from now on, on other connections.
func (b *babbler) says(answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
	for c := range b.conns {
		_ = c.Close()
	}
}

func (b *babbler) serve(client net.Conn) {
	server, err := net.Dial("tcp", b.server.Addr())
	if err != nil {
		_ = client.Close()
		return
	}
	b.mu.Lock()
	answer := b.answer
	b.conns[client], b.conns[server] = true, true
	b.mu.Unlock()
	b.running.Go(func() { _, _ = io.Copy(client, server); _ = client.Close() })
	piece := make([]byte, 64<<10)
	for n := 0; ; n++ {
		read, err := client.Read(piece)
		if err != nil {
			break
		}
		to, text := server, piece[:read]
		if answer != "" && n >= b.from {
			to, text = client, []byte(answer)
		}
		if _, err := to.Write(text); err != nil {
			break
		}
	}
	_, _ = client.Close(), server.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, client)
	delete(b.conns, server)
}

// Whatever the server answers, a memory is opened over it, is used and is watched,
// and what waited is delivered once the server makes sense.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	var all sync.WaitGroup
	defer all.Wait()
	for _, answer := range []string{
		">0\r\n", ">1\r\n", "*0\r\n", "*-1\r\n", "$9223372036854775807\r\n", "*9223372036854775807\r\n", "%9223372036854775807\r\n", "~9223372036854775807\r\n",
		"\r\n", "?\r\n", "$-2\r\n", "(\r\n", "_\r\n", "#x\r\n", ",\r\n", "+OK\r\n", "|1\r\n", "=3\r\nabc\r\n", "!3\r\nabc\r\n", "*1\r\n*1\r\n$1\r\nx\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		for _, from := range []int{0, 2, 3} { // HELLO, and CLIENT, come first
			// At once, for each waits most of the time.
			all.Go(func() {
				t.Run(strconv.Quote(answer)+" from request "+strconv.Itoa(from), func(t *testing.T) {
					b := newBabbler(t, s, answer, from)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					rdb := redis.NewClient(&redis.Options{Addr: b.listener.Addr().String(), ContextTimeoutEnabled: true, MaxRetries: -1, DialTimeout: time.Second})
					defer closes(t, rdb)
					store, err := resilient.New(redisstore.NewValues(rdb), resilient.Timeout(200*time.Millisecond), resilient.Observe(nil), resilient.WriteAgain(true))
					done(t, err)
					m, err := synced.New(ctx, store, t.Name()+":")
					if err != nil {
						t.Fatal(err)
					}
					watching, stop := context.WithCancel(ctx)
					watched := make(chan error, 1)
					go func() { watched <- m.Watch(watching, nil) }()
					v := variable[string](t, m, "v")
					l := list[string](t, m, "l")
					for _, err := range []error{last(v.Get(ctx)), v.Set(ctx, "1"), l.Append(ctx, "1"), last(m.Names(ctx))} {
						t.Log(err)
					}
					once, cancelOnce := context.WithTimeout(ctx, time.Second)
					t.Log(m.Flush(once)) // what waits is delivered, or the server is asked
					cancelOnce()
					b.says("")
					if err := m.Flush(ctx); err != nil {
						t.Error(err)
					}
					stop()
					if err := <-watched; !errors.Is(err, context.Canceled) {
						t.Logf("the watch ends with %v", err)
					}
					done(t, m.Close(ctx))
				})
			})
		}
	}
}
