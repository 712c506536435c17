package redisstore

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
)

// dialWithin is a redis.Hook that returns from dialing once the context ends. A client of
// sentinels waits, before it dials, for a lock that it holds while it asks them: a
// sentinel that answers drop by drop would keep everybody for as long as its client's
// timeouts.
type dialWithin struct {
	places chan struct{} // of those who dial, so that they are no more than connections
}

// DialHook dials on a goroutine of its own. A connection that comes too late is closed.
func (d dialWithin) DialHook(next redis.DialHook) redis.DialHook {
	type dialed struct {
		conn net.Conn
		err  error
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case d.places <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		done := make(chan dialed)
		go func() {
			defer func() { <-d.places }()
			var r dialed
			r.err = redisask.Do(func() (err error) {
				r.conn, err = next(ctx, network, addr)
				return err
			})
			select {
			case done <- r:
			case <-ctx.Done():
				if r.conn != nil {
					_ = r.conn.Close() // nobody has it
				}
			}
		}()
		select {
		case r := <-done:
			return r.conn, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ProcessHook implements redis.Hook.
func (dialWithin) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (dialWithin) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
