package tree

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
)

// Get returns what is at the path, all of it as it was at one instant. A node is
// a map[string]any of what is below it. A leaf is nil, bool, string, []any, an empty
// map[string]any, or a number: an int64 or uint64 where an integer fits, a float64
// where there is a fraction or an exponent, a json.Number where none of them can
// hold it. Nothing at all is ErrNotFound. More leaves than MaxLeaves are
// ErrTooLarge. What is no tree, or has text in it that is no UTF-8 or an escape of half
// a letter, such as \ud800, is storage.ErrUnreadable. The value is the
// caller's to change.
func (t *Tree) Get(ctx context.Context, path []string) (any, error) {
	return t.get(ctx, path, valueOf)
}

func (t *Tree) get(ctx context.Context, path []string, make func(leaf) (any, error)) (any, error) {
	text, err := encode(path)
	if err != nil {
		return nil, fmt.Errorf("tree: get: %w", err)
	}
	f, err := t.find(ctx, "get", path, text, "["+text+ofLeaf, t.maxLeaves+1)
	if err != nil {
		return nil, err
	}
	if len(f.texts) > t.maxLeaves {
		return nil, fmt.Errorf("tree: get %q: %w: it has more than %d leaves: use Leaves, or raise MaxLeaves", shortened(path), ErrTooLarge, t.maxLeaves)
	}
	value, ok, err := build(text, &f, make)
	if err != nil {
		return nil, fmt.Errorf("tree: get %q: %w", shortened(path), err)
	}
	if !ok {
		return nil, fmt.Errorf("tree: get %q: %w", shortened(path), ErrNotFound)
	}
	return value, nil
}

// find asks for leaves at a path and below it, from one on, and for the time.
// The leaves come by a command of their own, for a script takes four times as long
// to return them; a transaction has both be of one instant. Where it fails the
// script is asked for both: it has to be told to the server, or says why.
func (t *Tree) find(ctx context.Context, verb string, path []string, text, from string, most int) (found, error) {
	if err := ctx.Err(); err != nil {
		return found{}, fmt.Errorf("tree: %s %q: %w", verb, shortened(path), err)
	}
	both := t.redis.TxPipeline()
	now := redis.NewStringSliceCmd(ctx, t.words(getScript, text, from, 0)...)
	leaves := redis.NewStringSliceCmd(ctx, "zrangebylex", t.keys[0], from, "("+text+above, "limit", 0, most)
	_ = both.Process(ctx, now) // is put in the queue
	_ = both.Process(ctx, leaves)
	err := redisask.Do(func() error {
		_, err := both.Exec(ctx)
		return err
	})
	var server redis.Error
	if errors.As(err, &server) {
		now, err = run(ctx, t, verb, getScript, path, redis.NewStringSliceCmd, from, most)
		if err != nil {
			return found{}, err
		}
	} else if err != nil {
		return found{}, explain(ctx, verb, path, err)
	}
	said := now.Val()
	last := len(said) - 1
	if last < 1 {
		return found{}, unexpected(verb, path)
	}
	seconds, err1 := strconv.ParseInt(said[last-1], 10, 64)
	micros, err2 := strconv.ParseInt(said[last], 10, 64)
	if err1 != nil || err2 != nil || seconds < 0 || seconds > math.MaxInt64/2000 || micros < 0 || micros >= 1e6 {
		return found{}, unexpected(verb, path)
	}
	if server == nil {
		said = leaves.Val()
	} else {
		said = said[:last-1]
	}
	return found{seconds*1000 + micros/1000, said}, nil
}

// Get returns what is at the path of a tree as a T, into which it is read as
// encoding/json would read it, and in which a number of an open type is a
// json.Number. T may be any or map[string]any: that is as Tree.Get has it. What
// does not fit is an error of encoding/json's, such as *json.UnmarshalTypeError.
func Get[T any](ctx context.Context, t *Tree, path []string) (T, error) {
	var value, none T
	if open := reflect.TypeFor[T](); open == reflect.TypeFor[any]() || open == reflect.TypeFor[map[string]any]() {
		said, err := t.Get(ctx, path)
		if err != nil {
			return none, err
		}
		value, ok := said.(T)
		if !ok && said != nil {
			return none, fmt.Errorf("tree: get %q: it is a %T, and no %T", shortened(path), said, none)
		}
		return value, nil
	}
	said, err := t.get(ctx, path, jsonOf)
	if err != nil {
		return none, err
	}
	text, err := nested(said)
	if err == nil {
		err = decodeInto(string(text), &value)
	}
	if err != nil {
		return none, fmt.Errorf("tree: get %q as %v: %w", shortened(path), reflect.TypeFor[T](), err)
	}
	return value, nil
}

// Exists reports whether Get would find anything: a leaf, or a node. Where more leaves
// than MaxLeaves have ended and lie about, and come before one that has not, it is
// ErrTooLarge.
func (t *Tree) Exists(ctx context.Context, path []string) (bool, error) {
	const missing = -2
	left, err := t.number(ctx, "look for", lifeScript, path, "1")
	return err == nil && left != missing, err
}

// TimeToLive is how long there will be something at the path: for a node, until
// the last of what is below it ends. It is storage.Forever where there is no end.
// Nothing at all is ErrNotFound, and more leaves than MaxLeaves, if the first so many
// all have an end, ErrTooLarge.
func (t *Tree) TimeToLive(ctx context.Context, path []string) (time.Duration, error) {
	left, err := t.number(ctx, "ask the end of", lifeScript, path, "0")
	switch {
	case err != nil:
		return 0, err
	case left <= 0 && left != redisask.Forever:
		return 0, fmt.Errorf("tree: ask the end of %q: %w", shortened(path), ErrNotFound)
	}
	return redisask.Duration(left), nil
}
