package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// Option configures a store.
type Option struct {
	set func(c *client)
}

// MaxValue limits the values that are stored or returned, in bytes: see ErrTooLarge. With
// zero or less there is no limit but the server's own, 512 MiB. Default: 64 MiB.
func MaxValue(bytes int) Option {
	return Option{func(c *client) { c.max = bytes }}
}

const defaultMaxValue = 64 << 20

// ErrTooLarge says that a value is over the limit, see MaxValue. Nothing is
// changed by a write that returns it. It is a storage.ErrRefused too.
var ErrTooLarge = storage.Refused(errors.New("redisstore: the value is too large"))

// client is what the layouts have in common.
type client struct {
	redis  redis.UniversalClient
	layout string
	max    int
	owned  bool // made by storage.Open
}

func newClient(rdb redis.UniversalClient, layout string, opts []Option) client {
	if err := redisask.CheckClient("redisstore", rdb); err != nil {
		panic(err.Error())
	}
	c := client{redis: rdb, layout: layout, max: defaultMaxValue}
	for _, o := range opts {
		if o.set != nil {
			o.set(&c)
		}
	}
	return c
}

// Close closes the client of a store that storage.Open has made, in 5 s at most. It does
// not close a client that was given to New, NewStrings, NewFields or NewValues.
func (c *client) Close() error {
	if !c.owned {
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- c.redis.Close() }()
	late := time.NewTimer(closeWithin)
	defer late.Stop()
	select {
	case err := <-closed:
		if err != nil && !errors.Is(err, redis.ErrClosed) {
			return fmt.Errorf("redisstore: close: %w", err)
		}
		return nil
	case <-late.C:
		return errCloses
	}
}

// closeWithin is how long Close waits for a client: one of sentinels waits for those
// that it asks, and one that answers drop by drop keeps it.
const closeWithin = 5 * time.Second

var errCloses = errors.New("redisstore: close: the client waits for a server and closes in the background: see whether the server is well")

// ReturnsInTime implements storage.Prompt. go-redis obeys the deadline of a context if it
// is configured to, except while it connects with TLS.
func (c *client) ReturnsInTime() bool {
	if c.owned {
		return true
	}
	switch rdb := c.redis.(type) {
	case *redis.Client:
		return rdb.Options().ContextTimeoutEnabled && rdb.Options().TLSConfig == nil
	case *redis.ClusterClient:
		return rdb.Options().ContextTimeoutEnabled && rdb.Options().TLSConfig == nil
	}
	return false
}

// String tells where the store is and what layout it has.
func (c *client) String() string {
	return fmt.Sprintf("redis(%s, %s)", c.where(), c.layout)
}

func (c *client) where() string {
	switch rdb := c.redis.(type) {
	case *redis.Client:
		return fmt.Sprintf("%s/%d", rdb.Options().Addr, rdb.Options().DB)
	case *redis.ClusterClient:
		return strings.Join(rdb.Options().Addrs, ",")
	}
	return fmt.Sprintf("%T", c.redis)
}

// MaxKey implements storage.KeyLimit: 1 KiB. Redis accepts longer keys, and compares them
// byte by byte.
func (c *client) MaxKey() int { return 1 << 10 }

// fits returns an error if a value may not be written.
func (c *client) fits(key string, value []byte) error {
	if c.max > 0 && len(value) > c.max {
		return fmt.Errorf("%w: set %q: %w", ErrTooLarge, key, c.exceeds(len(value), "store less"))
	}
	return nil
}

// read returns a copy of a value that the server has sent.
func (c *client) read(key, value string) ([]byte, error) {
	if c.max > 0 && len(value) > c.max {
		return nil, fmt.Errorf("%w: get %q: %w", ErrTooLarge, key, c.exceeds(len(value), "delete it"))
	}
	return []byte(value), nil
}

// exceeds returns an error of its own, which is shown also where keys are hidden.
func (c *client) exceeds(bytes int, remedy string) error {
	return fmt.Errorf("it has %d bytes, %d are allowed: %s, or raise redisstore.MaxValue (max-value in a URL)", bytes, c.max, remedy)
}

// send sends commands in one round trip. Each command has its own result.
func (c *client) send(ctx context.Context, cmds ...redis.Cmder) {
	if err := ctx.Err(); err != nil {
		blame(cmds, err)
		return
	}
	pipe := c.redis.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd) // is put in the queue
	}
	err := redisask.Do(func() error {
		_, err := pipe.Exec(ctx)
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, redisask.ErrAnswer): // what was read of some of the answers may be another's
		blame(cmds, err)
	default:
		for _, cmd := range cmds {
			if cmd.Err() != nil {
				return
			}
		}
		blame(cmds, err) // no connection could be had, which go-redis does not tell the commands
	}
}

func blame(cmds []redis.Cmder, err error) {
	for _, cmd := range cmds {
		cmd.SetErr(err)
	}
}

// done sends commands and adds the errors of those that failed.
func (c *client) done(ctx context.Context, verb string, keys []string, cmds []redis.Cmder, f *faults) {
	if len(cmds) == 0 {
		return
	}
	c.send(ctx, cmds...)
	for i, cmd := range cmds {
		if err := cmd.Err(); err != nil {
			f.add(explain(ctx, verb, keys[i], err))
		}
	}
}

// count sends commands that count, and reports which counted one.
func (c *client) count(ctx context.Context, verb string, keys []string, cmds []redis.Cmder) ([]bool, error) {
	var f faults
	c.done(ctx, verb, keys, cmds, &f)
	counted := make([]bool, len(cmds))
	for i, cmd := range cmds {
		counted[i] = cmd.(*redis.IntCmd).Val() == 1
	}
	return counted, f.err()
}
