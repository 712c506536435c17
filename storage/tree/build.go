package tree

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/perennial-go/perennial/internal/jsontext"
)

// node is a map whose elements are nodes too, or what has been made of leaves.
type node = map[string]any

var errNested = errors.New("a leaf is below a leaf")

// build makes the value at a path of its leaves, each made by make. None at all
// is nil, false.
func build(path string, f *found, make func(l leaf) (any, error)) (value any, ok bool, err error) {
	b := builder{root: node{}}
	err = f.each(path, func(below string, l leaf) error {
		made, err := make(l)
		if err != nil {
			return err
		}
		if ok && (below == "" || len(b.root) == 0) {
			return errNested
		}
		ok = true
		if below == "" {
			value = made
			return nil
		}
		return b.put(below, made)
	})
	if err != nil || !ok {
		return nil, false, err
	}
	if len(b.root) > 0 {
		value = b.root
	}
	return value, true, nil
}

// builder puts leaves into nested maps. They come in order, so that most go where
// the last one went.
type builder struct {
	root   node
	at     node   // where the last one went
	parent string // the path of that
}

func (b *builder) put(below string, value any) error {
	i := strings.LastIndexByte(below, ofChild[0])
	if i < 0 {
		return errText
	}
	if parent := below[:i]; b.at == nil || parent != b.parent {
		at, err := descend(b.root, parent)
		if err != nil {
			return err
		}
		b.at, b.parent = at, parent
	}
	element, _, err := cutElement(below[i:])
	if err != nil {
		return err
	}
	if _, taken := b.at[element]; taken {
		return errNested
	}
	b.at[element] = value
	return nil
}

// descend finds the node at a path, and makes those that are missing.
func descend(at node, path string) (node, error) {
	for depth := 1; path != ""; depth++ {
		if depth == maxDepth {
			return nil, errText
		}
		element, rest, err := cutElement(path)
		if err != nil {
			return nil, err
		}
		next, taken := at[element]
		child, ok := next.(node)
		switch {
		case !taken:
			child = node{}
			at[element] = child
		case !ok || len(child) == 0: // an empty map is a leaf
			return nil, errNested
		}
		at, path = child, rest
	}
	return at, nil
}

// jsonOf makes the JSON of a leaf alone, for a value that is JSON itself.
func jsonOf(l leaf) (any, error) {
	text := json.RawMessage(l.json)
	if !json.Valid(text) {
		return nil, errLeaf
	}
	return text, jsontext.Exact(text)
}

func valueOf(l leaf) (any, error) { return decodeValue(l.json) }

var errElement = errors.New("a name below it is no UTF-8, which JSON can't have: use Tree.Get, or Leaves")

// nested is the JSON of what build has made with jsonOf.
func nested(value any) (json.RawMessage, error) {
	if !named(value) {
		return nil, errElement
	}
	return json.Marshal(value)
}

func named(value any) bool {
	at, _ := value.(node)
	for element, below := range at {
		if !utf8.ValidString(element) || !named(below) {
			return false
		}
	}
	return true
}
