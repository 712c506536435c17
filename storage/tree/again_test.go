package tree_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/tree"
)

// A server that has forgotten the scripts is told them again.
func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	for _, every := range []func(context.Context, *tree.Tree) map[string]error{everyWrite, everyRead} {
		s.Command("SCRIPT", "FLUSH")
		for call, err := range every(t.Context(), tr) {
			if err != nil {
				t.Errorf("%s says %v", call, err)
			}
		}
	}
}

// again is a hook that sends every command twice, as where a connection broke
// before the answer came.
type again struct{}

func (again) DialHook(next redis.DialHook) redis.DialHook { return next }
func (again) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}
func (again) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// An Add that is sent again adds once, and what is remembered of it does not grow.
func TestAddIsSentAgain(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	rdb := newClient(t, s)
	rdb.AddHook(again{})
	tr := newTree(t, rdb)
	const n = 1500
	for i := range n {
		if sum, err := tr.Add(t.Context(), at("a"), 2); err != nil || sum != 2*int64(i+1) {
			t.Fatalf("Add %d says %v, %v", i, sum, err)
		}
	}
	if got := s.Command("HLEN", "{tree:}adds"); got != "2001" {
		t.Errorf("of %d additions %s fields are kept, want 1,000 places with an addition each, and a count", n, got)
	}
	if got := s.Command("TTL", "{tree:}adds"); got == "-1" {
		t.Error("what is kept has no end")
	}
}

// An answer to Add is lost with its connection.
func TestAddWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	lost := 0
	rdb := redis.NewClient(&redis.Options{
		Addr: s.Addr(), MinRetryBackoff: time.Millisecond, MaxRetryBackoff: time.Millisecond, ReadTimeout: patient,
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return &deaf{Conn: conn, lost: &lost}, err
		},
	})
	defer func() { noError(t, rdb.Close()) }()
	tr := newTree(t, rdb)
	for i := range 20 {
		if sum, err := tr.Add(t.Context(), at("a"), 1); err != nil || sum != int64(i+1) {
			t.Errorf("Add says %v, %v; want %d", sum, err, i+1)
		}
	}
	if lost < 5 {
		t.Errorf("only %d answers were lost", lost)
	}
}

// deaf is a connection that loses the answer to its third addition.
type deaf struct {
	net.Conn
	lost      *int
	additions int
}

func (d *deaf) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "{tree:}adds") && strings.Contains(string(p), "\x01a") {
		d.additions++
	}
	return d.Conn.Write(p)
}

func (d *deaf) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if d.additions == 3 && err == nil {
		*d.lost++
		d.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}
