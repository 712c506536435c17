package memcachedstore

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// conn is a connection on which a trip, from the first byte of a request to the
// last of its answer, takes no longer than the timeout, whatever the server does,
// and brings no more than was asked for. The client itself begins its timeout
// again with each value. One goroutine uses it at a time.
type conn struct {
	net.Conn
	timeout time.Duration
	max     int // bytes of all values of an answer, with their headers

	answering bool // the request is over
	asked     bool // its first line is
	answer    answer
}

// bound has a client open no connections but such as conn.
func bound(client *memcache.Client, maxValue int) {
	dial := client.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	client.DialContext = func(ctx context.Context, network, address string) (c net.Conn, err error) {
		defer recovered(&err)
		if c, err = dial(ctx, network, address); err != nil {
			return nil, err
		}
		return &conn{Conn: c, timeout: timeoutOf(client), max: maxValue, answering: true}, nil
	}
}

// timeoutOf is the timeout that a client has.
func timeoutOf(client *memcache.Client) time.Duration {
	if client.Timeout == 0 {
		return memcache.DefaultTimeout
	}
	return client.Timeout
}

// recovered makes an error of a panic. The client has goroutines of its own, where
// a panic of what it is given, a connection say, would end the process.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the client panicked: %v", p)
	}
}

// SetDeadline does nothing: a trip has one deadline.
func (c *conn) SetDeadline(time.Time) error { return nil }

// Write begins a trip, or goes on with its request.
func (c *conn) Write(b []byte) (n int, err error) {
	defer recovered(&err)
	if c.answering {
		c.answering, c.asked, c.answer = false, false, answer{room: c.max, line: c.answer.line[:0]}
		if err := c.Conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
			return 0, err
		}
	}
	if !c.asked { // before each key of the first line stands a space
		line, _, whole := bytes.Cut(b, []byte("\n"))
		c.answer.items += bytes.Count(line, []byte(" "))
		c.asked = whole
	}
	return c.Conn.Write(b)
}

// Read goes on with the answer.
func (c *conn) Read(b []byte) (n int, err error) {
	defer recovered(&err)
	c.answering = true
	got, err := c.Conn.Read(b)
	if bad := c.answer.check(b[:got]); bad != nil {
		return 0, bad
	}
	return got, err
}

// Close closes the connection.
func (c *conn) Close() (err error) {
	defer recovered(&err)
	return c.Conn.Close()
}
