package tree

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// Set stores a value in place of whatever is at the path and below it, also of a
// value above it: of that there is a node then, with this below it. A map whose
// keys are text becomes a node with an element below it for each key, and so do a
// struct and all else that has an object for its JSON; an empty map is a value. All
// else is a leaf, as encoding/json writes it: a slice with all that is in it too.
// A nil is a value, and so is a nil map.
//
// The whole value is looked at before anything is sent: what can't be stored is
// ErrValue, what is too much ErrTooLarge, as is a subtree of more than MaxLeaves in
// whose place it would be; then nothing is changed. The value has no end, unless For says so, whatever had stood there.
func (t *Tree) Set(ctx context.Context, path []string, value any, opts ...SetOption) error {
	s := setting{keep: storage.Forever}
	for _, o := range opts {
		if o.set == nil {
			return errors.New("tree: set: a zero SetOption: make one with For")
		}
		o.set(&s)
	}
	if _, err := encode(path); err != nil {
		return fmt.Errorf("tree: set: %w", err)
	}
	leaves, err := t.flatten(path, value)
	if err != nil {
		return fmt.Errorf("tree: set %q: %w", shortened(path), err)
	}
	if redisask.Milliseconds(s.keep) == 0 {
		_, err := t.Delete(ctx, path)
		return err
	}
	_, err = t.number(ctx, "set", setScript, path, append([]any{redisask.Milliseconds(s.keep)}, leaves...)...)
	return err
}

// Delete drops what is at the path and below it, and tells whether there was
// anything. A node whose last element goes is gone with it. Of more leaves than
// MaxLeaves it is ErrTooLarge, and nothing is changed: see Large subtrees in the
// documentation of the package.
func (t *Tree) Delete(ctx context.Context, path []string) (existed bool, err error) {
	n, err := t.number(ctx, "delete", deleteScript, path)
	return n == 1, err
}

// Clear drops the whole tree, of whatever size, also where somebody else has stored something of
// another type under its keys.
func (t *Tree) Clear(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tree: clear: %w", err)
	}
	if err := redisask.Do(func() error { return t.redis.Unlink(ctx, t.keys[:]...).Err() }); err != nil {
		return explain(ctx, "clear", Root, err)
	}
	return nil
}

// Add adds n to the integer at the path, in one step, and returns the sum. Where
// nothing is the sum is n, without an end; what is there keeps its end. A node, a
// value that is no integer, and a sum beyond 64 bits are ErrNotInteger.
//
// Where a connection breaks before the answer comes, go-redis sends the command
// again; the server knows it again, among the last 1,000 additions to the tree and
// for ten minutes, and adds once. After any other error that is not ErrNotInteger
// it is not known whether n was added.
func (t *Tree) Add(ctx context.Context, path []string, n int64) (int64, error) {
	cmd, err := run(ctx, t, "add to", addScript, path, redis.NewStringCmd, t.maxLeaves, n, rand.Text())
	if err != nil {
		return 0, err
	}
	sum, err := cmd.Int64()
	if err != nil {
		return 0, unexpected("add to", path)
	}
	return sum, nil
}

// Expire has what is at the path and all below it end after this time, and tells
// whether there is anything: see For. storage.Forever takes the end away, zero or
// less deletes. Of more leaves than MaxLeaves it is ErrTooLarge, and nothing is
// changed.
func (t *Tree) Expire(ctx context.Context, path []string, keep time.Duration) (existed bool, err error) {
	if redisask.Milliseconds(keep) == 0 {
		return t.Delete(ctx, path)
	}
	n, err := t.number(ctx, "expire", expireScript, path, redisask.Milliseconds(keep))
	return n == 1, err
}
