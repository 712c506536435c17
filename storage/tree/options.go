package tree

import (
	"fmt"
	"strings"
	"time"
)

// Option configures a tree.
type Option struct {
	set func(t *Tree) error
}

// Prefix is what tells a tree from others on the same database: trees of one
// prefix are one tree. It is not empty and has no brace, and stands between
// braces in the names of the tree's keys, which so are on one node of a cluster.
// Default "tree:".
func Prefix(prefix string) Option {
	return Option{func(t *Tree) error {
		if prefix == "" || strings.ContainsAny(prefix, "{}") {
			return fmt.Errorf("tree: the prefix %q won't do: name one, without braces", prefix)
		}
		t.prefix = prefix
		return nil
	}}
}

// MaxLeaves is how many leaves a value may have that is set or got at once, and how many
// leaves may be at a path and below it that is replaced, deleted, or given an end, expired
// ones that are not removed yet among them: more are ErrTooLarge. The server does nothing
// else while it works on them: for some ms with 1,000 leaves, for half a second with
// 100,000. Default 10,000; at most 250,000, for a server takes no more in a command.
func MaxLeaves(n int) Option {
	return Option{func(t *Tree) error {
		const most = 250_000
		if n < 1 || n > most {
			return fmt.Errorf("tree: MaxLeaves(%d): use 1 to %d", n, most)
		}
		t.maxLeaves = n
		return nil
	}}
}

// MaxBytes is how many bytes the paths and values of all leaves may take that
// are set at once: more is ErrTooLarge. Default 64 MiB.
func MaxBytes(n int) Option {
	return Option{func(t *Tree) error {
		if n < 1 {
			return fmt.Errorf("tree: MaxBytes(%d): use 1 or more", n)
		}
		t.maxBytes = n
		return nil
	}}
}

// SetOption says how a value is to be set.
type SetOption struct {
	set func(s *setting)
}

type setting struct{ keep time.Duration }

// For has what is set end after this time by the server's clock, rounded up to
// milliseconds. storage.Forever, which is the default, is no end. With zero or
// less nothing is stored, and what was there is deleted.
func For(keep time.Duration) SetOption {
	return SetOption{func(s *setting) { s.keep = keep }}
}
