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

// Set replaces whatever is at the path and below it. It replaces a value above it too, by a
// node with this value below it. A map whose keys are text becomes a node with an element
// for each key, and so does a struct, or anything else whose JSON is an object; an empty
// map is a value. Anything else, a slice too, is a leaf, as encoding/json writes it. A nil
// is a value, and so is a nil map.
//
// Set checks the whole value before it sends anything. A value that can't be stored is
// ErrValue; one that is too large, or would replace more leaves than MaxLeaves, is
// ErrTooLarge. Nothing is changed then. The value has no end unless For gives it one.
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

// Delete deletes what is at the path and below it, and reports whether there was anything.
// A node goes with its last element. More leaves than MaxLeaves are ErrTooLarge, and
// nothing is changed: see Large subtrees in the documentation of the package.
func (t *Tree) Delete(ctx context.Context, path []string) (existed bool, err error) {
	n, err := t.number(ctx, "delete", deleteScript, path)
	return n == 1, err
}

// Clear deletes the whole tree, of any size, and whatever else is stored under its keys.
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

// Expire gives what is at the path and below it this time to live, and reports whether
// there is anything: see For. storage.Forever removes the end, zero or less deletes. More
// leaves than MaxLeaves are ErrTooLarge, and nothing is changed.
func (t *Tree) Expire(ctx context.Context, path []string, keep time.Duration) (existed bool, err error) {
	if redisask.Milliseconds(keep) == 0 {
		return t.Delete(ctx, path)
	}
	n, err := t.number(ctx, "expire", expireScript, path, redisask.Milliseconds(keep))
	return n == 1, err
}
