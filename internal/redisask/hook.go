package redisask

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// Hook is a redis.Hook that makes the panics of a client errors where they come about,
// which is on goroutines of its own in some clients.
type Hook struct{}

// DialHook implements redis.Hook.
func (Hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = Do(func() (err error) {
			conn, err = next(ctx, network, addr)
			return err
		})
		return conn, err
	}
}

// ProcessHook implements redis.Hook.
func (Hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := Do(func() error { return next(ctx, cmd) })
		if err != nil && cmd.Err() == nil {
			cmd.SetErr(err)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (Hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		answered := false
		err := Do(func() (err error) {
			err = next(ctx, cmds)
			answered = true
			return err
		})
		if !answered { // what was read of some of the answers may be another's
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}
