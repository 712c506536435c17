package tree

import (
	"context"
	"fmt"
	"iter"

	"github.com/redis/go-redis/v9"
)

// pageSize is how much a round trip of Children or Leaves asks for.
const pageSize = 500

// Children yields the elements directly below the path, leaves and nodes, in the
// order of their bytes; none where it is a leaf, or nothing. It takes a round trip
// for each 500 of them: what comes or goes meanwhile may be among them or not. It
// ends at the first error.
func (t *Tree) Children(ctx context.Context, path []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		text, err := encode(path)
		if err != nil {
			yield("", fmt.Errorf("tree: list: %w", err))
			return
		}
		for from := "[" + text + ofChild; from != ""; {
			var names []string
			names, from, err = t.children(ctx, path, from)
			if err != nil {
				yield("", err)
				return
			}
			for _, name := range names {
				element, err := readElement(name)
				if err != nil {
					yield("", fmt.Errorf("tree: list %q: %w", shortened(path), unreadable(err)))
					return
				}
				if !yield(element, nil) {
					return
				}
			}
		}
	}
}

// children are some, and where to go on.
func (t *Tree) children(ctx context.Context, path []string, from string) (names []string, next string, err error) {
	cmd, err := run(ctx, t, "list", childrenScript, path, redis.NewStringSliceCmd, from, pageSize)
	if err != nil {
		return nil, "", err
	}
	said := cmd.Val()
	last := len(said) - 1
	if last < 0 {
		return nil, "", unexpected("list", path)
	}
	return said[:last], said[last], nil
}

// Leaf is a value that has nothing below it.
type Leaf struct {
	Path  []string // the whole path, not only what is below the one asked for
	Value any      // as that of Tree.Get
}

// Leaves yields all leaves at the path and below it, in the order of their
// elements' bytes. It takes a round trip for each 500 of them, and may be used
// where Get would be too much: what changes meanwhile may be old or new. It ends at
// the first error.
func (t *Tree) Leaves(ctx context.Context, path []string) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		text, err := encode(path)
		if err != nil {
			yield(Leaf{}, fmt.Errorf("tree: list: %w", err))
			return
		}
		for from := "[" + text + ofLeaf; from != ""; {
			var page []Leaf
			page, from, err = t.leaves(ctx, path, text, from)
			for _, leaf := range page {
				if !yield(leaf, nil) {
					return
				}
			}
			if err != nil {
				yield(Leaf{}, err)
				return
			}
		}
	}
}

// leaves are some, and where to go on.
func (t *Tree) leaves(ctx context.Context, path []string, text, from string) (page []Leaf, next string, err error) {
	f, err := t.find(ctx, "list", path, text, from, pageSize)
	if err != nil {
		return nil, "", err
	}
	if len(f.texts) == pageSize {
		l, err := readLeaf(f.texts[pageSize-1])
		if err != nil {
			return nil, "", fmt.Errorf("tree: list %q: %w", shortened(path), unreadable(err))
		}
		next = "[" + l.path + ofChild
	}
	err = f.each("", func(text string, l leaf) error {
		path, err := decode(text)
		if err != nil {
			return err
		}
		value, err := valueOf(l)
		page = append(page, Leaf{path, value})
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("tree: list %q: %w", shortened(path), err)
	}
	return page, next, nil
}
