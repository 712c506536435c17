package memcachedstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/bradfitz/gomemcache/memcache"
)

// node is a server, or what a client of somebody's own takes for one.
type node struct {
	name   string
	client *memcache.Client
	places chan struct{} // one is held during each trip
}

// call makes a trip to a server: f, which is abandoned when the context ends, and
// made again if it met a connection that had been cut while nobody used it.
func call[T any](ctx context.Context, s *Store, n *node, f func(*memcache.Client) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	select {
	case n.places <- struct{}{}:
	case <-ctx.Done():
		return zero, fmt.Errorf("memcachedstore: waiting for one of %d connections to %s: %w", cap(n.places), n.name, ctx.Err())
	case <-s.closed:
		return zero, ErrClosed
	}
	select {
	case <-s.closed:
		<-n.places
		return zero, ErrClosed
	default:
	}
	type result struct {
		got T
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-n.places }()
		got, err := try(n, f)
		if isCut(err) {
			_ = n.client.Close() // the idle connections, which are cut as well
			got, err = try(n, f)
		}
		done <- result{got, err}
	}()
	select {
	case r := <-done:
		return r.got, r.err
	case <-ctx.Done():
		return zero, fmt.Errorf("memcachedstore: left a trip to %s that goes on: %w", n.name, ctx.Err())
	}
}

// close waits for the trips to a server, and takes their places for good.
func (n *node) close(ctx context.Context) error {
	for ended := range cap(n.places) {
		select {
		case n.places <- struct{}{}:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("memcachedstore: %s: %d trips go on though their time is over: the client's DialContext or its connections don't keep to it", n.name, cap(n.places)-ended), n.client.Close())
		}
	}
	return n.client.Close()
}

// try makes a trip once.
func try[T any](n *node, f func(*memcache.Client) (T, error)) (got T, err error) {
	defer func() {
		if p := recover(); p != nil { // say, a size that no slice has
			err = fmt.Errorf("memcachedstore: %s: the client panicked: %v", n.name, p)
		}
	}()
	got, err = f(n.client)
	return got, n.explain(err)
}

// explain says where an error comes from. What is an answer stays as it is.
func (n *node) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored), errors.Is(err, memcache.ErrCASConflict):
		return err
	case strings.Contains(err.Error(), "SERVER_ERROR object too large"):
		return fmt.Errorf("%w: %s", ErrTooLarge, n.name)
	}
	return fmt.Errorf("memcachedstore: %s: %w", n.name, err)
}

// isCut reports whether a connection ended, which says nothing of the server.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// sideBySide calls f for 0 to n-1, so many at a time, and returns their errors,
// joined.
func sideBySide(n, most int, f func(i int) error) error {
	errs := make([]error, n)
	if n == 1 {
		return f(0)
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, most) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				errs[i] = f(int(i))
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}
