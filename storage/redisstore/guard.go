package redisstore

import (
	"context"
	"net"

	"github.com/perennial-go/perennial/internal/redisask"
)

// Guard makes a dialer for a client of your own out of another one, so that no answer
// of a server can end the program: a client makes room for as much as a server says is
// to come, before it comes. What storage.Open opens is guarded.
//
//	opts := &redis.Options{Addr: addr}
//	opts.Dialer = redisstore.Guard(redis.NewDialer(opts), 64<<20)
//	client := redis.NewClient(opts)
//
// Of the largest value, in bytes, take what MaxValue says; zero is as much as servers
// send, 512 MiB. A connection is given up, with an error that is no
// storage.ErrRefused, where a text is announced that no server has, arrays of more than
// 1,048,576 elements altogether or more than 64 within each other, a line of more than
// 64 KiB, or what is no answer; where what is no message comes to a client that
// subscribes, or came before it did, unasked; and with [ErrTooLarge] where a value is of more than
// twice the largest and 1 MiB.
func Guard(dial func(ctx context.Context, network, addr string) (net.Conn, error), largest int) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return redisask.Guard(dial, redisask.Longest(largest))
}
