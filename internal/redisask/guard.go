package redisask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
)

// Dialer connects, as redis.Options has it.
type Dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// ErrLength is what an error matches that says that a text of the server's is longer
// than it may be, where a server may have one that long.
var ErrLength = errors.New("the server has sent the length of a value that is too large")

// Guard makes the connections of a dialer refuse, when they are read, what a client
// would end the program on: it makes room for as much as a server says is to come,
// before it comes. What may come is a text of so many bytes, which is ErrLength where
// it is longer; and whatever else scanner lets pass, which is ErrAnswer where it does
// not. From then on the connection is of no more use.
func Guard(dial Dialer, longest int) Dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		g := &guarded{Conn: conn, scan: scanner{longest: longest}}
		if raw, ok := conn.(syscall.Conn); ok { // by which the client sees that a connection was closed
			return &guardedSocket{g, raw}, nil
		}
		return g, nil
	}
}

// guarded is a connection whose reads are scanned. Like those of any connection of
// a client, they are one after another.
type guarded struct {
	net.Conn
	scan scanner
	err  error // once there is one, of each read

	subscribed atomic.Bool  // messages come from now on
	answers    atomic.Int64 // that have begun, until then
	odd        atomic.Bool  // one of them is none of those that come before a client subscribes
	asked      int64        // by commands, until then; below 0 where nobody knows
}

// Write sees whether messages are to come. A client may have read what was sent with
// the answers before, unasked, or a part of one, and would take the rest for messages.
func (g *guarded) Write(p []byte) (int, error) {
	if g.subscribed.Load() {
		return g.Conn.Write(p)
	}
	if subscribes(p) {
		g.subscribed.Store(true)
		if g.asked >= 0 && (g.odd.Load() || g.answers.Load() > g.asked) {
			return 0, fmt.Errorf("%w: they are more, or others, than were asked for", ErrAnswer)
		}
	}
	g.asked = more(g.asked, p)
	return g.Conn.Write(p)
}

// more adds the commands that a client sends to those that it has sent, where they are
// few and each is sent as a whole, as it does before it subscribes.
func more(asked int64, p []byte) int64 {
	const few = 64
	for len(p) > 0 && asked >= 0 && asked < few {
		line, rest, _ := bytes.Cut(p, []byte("\n"))
		if len(line) < 3 || line[0] != '*' {
			return -1
		}
		elements, ok := length(line)
		for ; ok && elements > 0; elements-- {
			var size int64
			if line, rest, _ = bytes.Cut(rest, []byte("\n")); len(line) < 3 || line[0] != '$' {
				return -1
			}
			if size, ok = length(line); !ok || size > int64(len(rest))-2 {
				return -1
			}
			rest = rest[size+2:]
		}
		if !ok {
			return -1
		}
		p, asked = rest, asked+1
	}
	if asked >= few {
		return -1
	}
	return asked
}

// Read returns what is well, and only then the error: what was answered before is
// the caller's.
func (g *guarded) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.Conn.Read(p)
	if g.scan.messages == nil && g.subscribed.Load() {
		g.scan.messages = &messages{}
	}
	well, wrong := g.scan.next(p[:n])
	if g.scan.messages == nil {
		g.answers.Store(g.scan.answers)
		g.odd.Store(g.scan.odd)
	}
	if wrong != nil {
		g.err = wrong
		return well, wrong
	}
	return n, err
}

type guardedSocket struct {
	*guarded
	raw syscall.Conn
}

// SyscallConn is that of the connection.
func (g *guardedSocket) SyscallConn() (syscall.RawConn, error) { return g.raw.SyscallConn() }

// MaxServer is the longest text that a server sends, as its proto-max-bulk-len is
// set: by default 512 MiB.
const MaxServer = 512 << 20

// Longest is how long a text that is read may be where the largest value is one of so
// many bytes: twice that and 1 MiB, so that one that is a little too large is told as
// the fault of its key. Without a largest value it is what servers send.
func Longest(largest int) int {
	if largest <= 0 || largest > MaxServer/2 {
		return MaxServer
	}
	return 2*largest + 1<<20
}
