package tree

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
)

// Tree is values at paths. All trees of the same prefix over the same database are one.
// Methods may be called concurrently, by several processes too. Each is one atomic step on
// the server and one round trip, unless it says otherwise. Under a context that is done
// they return its error and do nothing. A Tree needs no Close; the caller closes the client.
type Tree struct {
	redis     redis.UniversalClient
	prefix    string
	keys      [3]string // leaves, ends, adds: see the scripts
	maxLeaves int
	maxBytes  int
}

// New makes a tree over a client, which need not reach its server yet. Set
// ContextTimeoutEnabled in its options: else calls ignore the deadlines of their contexts
// while the server hangs. New refuses a redis.Ring: it asks another shard while one is
// away, and finds another tree there.
func New(rdb redis.UniversalClient, opts ...Option) (*Tree, error) {
	if err := redisask.CheckClient("tree", rdb); err != nil {
		return nil, err
	}
	t := &Tree{redis: rdb, prefix: "tree:", maxLeaves: 10_000, maxBytes: 64 << 20}
	var errs []error
	for _, o := range opts {
		if o.set == nil {
			errs = append(errs, errors.New("tree: a zero Option: make options with the functions of this package"))
			continue
		}
		errs = append(errs, o.set(t))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i, key := range []string{"leaves", "ends", "adds"} {
		t.keys[i] = "{" + t.prefix + "}" + key
	}
	return t, nil
}

// Databases has the databases by name, as clients that have selected them.
type Databases map[string]redis.UniversalClient

// Tree makes a tree over the database of that name, as New does. An unknown name is
// ErrDatabase.
func (d Databases) Tree(name string, opts ...Option) (*Tree, error) {
	rdb, ok := d[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(d)), ", ")
		return nil, fmt.Errorf("%w: %q: use one of: %s", ErrDatabase, name, known)
	}
	return New(rdb, opts...)
}

// run runs a script on a path. What it returns is in the command that as makes.
func run[C redis.Cmder](ctx context.Context, t *Tree, verb string, s script, path []string, as func(context.Context, ...any) C, args ...any) (cmd C, err error) {
	text, err := encode(path)
	if err != nil {
		return cmd, fmt.Errorf("tree: %s: %w", verb, err)
	}
	if err := ctx.Err(); err != nil {
		return cmd, fmt.Errorf("tree: %s %q: %w", verb, shortened(path), err)
	}
	words := t.words(s, append([]any{text}, args...)...)
	cmd = as(ctx, words...)
	err = redisask.Do(func() error { return t.redis.Process(ctx, cmd) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") { // it never knew it, was restarted, or was told to forget it
		words[0], words[1] = "eval", s.text
		cmd = as(ctx, words...)
		err = redisask.Do(func() error { return t.redis.Process(ctx, cmd) })
	}
	if err != nil {
		return cmd, explain(ctx, verb, path, err)
	}
	return cmd, nil
}

// words are the command that runs a script.
func (t *Tree) words(s script, args ...any) []any {
	return append([]any{"evalsha", s.sha, len(t.keys), t.keys[0], t.keys[1], t.keys[2]}, args...)
}

// number is run for a script that is told MaxLeaves, and returns a number.
func (t *Tree) number(ctx context.Context, verb string, s script, path []string, args ...any) (int64, error) {
	cmd, err := run(ctx, t, verb, s, path, redis.NewIntCmd, append([]any{t.maxLeaves}, args...)...)
	if err != nil {
		return 0, err
	}
	return cmd.Val(), nil
}

func unexpected(verb string, path []string) error {
	return fmt.Errorf("tree: %s %q: %w", verb, shortened(path), redisask.ErrAnswer)
}
