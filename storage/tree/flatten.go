package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

var (
	// ErrValue says that a value can't be stored: something in it has no JSON, as
	// a channel, NaN or text that is no UTF-8 or half of a letter, or a map has keys that are no text
	// or are empty, or it is nested too deeply. The error says at which path.
	// Nothing is changed by a call that returns it.
	ErrValue = errors.New("tree: the value can't be stored")
	// ErrTooLarge says that a value has more leaves than MaxLeaves allows, or more
	// bytes than MaxBytes does, or that so many leaves are at a path and below it.
	// Nothing is changed by a call that returns it.
	ErrTooLarge = errors.New("tree: the value is too large")
)

// leaves is what a value comes to: the leaves of a tree, and no nodes.
type leaves struct {
	at    []string // the path at which the walk is
	args  []any    // of each leaf its path, as it is stored, and its JSON
	bytes int
	of    *Tree
}

// flatten makes the leaves of a value that is to be at a path.
func (t *Tree) flatten(path []string, value any) ([]any, error) {
	l := leaves{at: append([]string(nil), path...), of: t}
	if err := l.walk(reflect.ValueOf(value)); err != nil {
		return nil, err
	}
	return l.args, nil
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// walk goes into maps, and into whatever else has an object for its JSON.
func (l *leaves) walk(v reflect.Value) error {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.Map || v.IsNil() || v.Type().Implements(marshaler) {
		text, err := encodeValue(v)
		if err != nil {
			return l.refuse(err)
		}
		return l.walkJSON(text)
	}
	if key := v.Type().Key(); key.Kind() != reflect.String {
		return l.refuse(fmt.Errorf("its keys are of type %v: use a map whose keys are text", key))
	}
	if v.Len() == 0 {
		return l.leaf("{}")
	}
	for of := v.MapRange(); of.Next(); {
		if err := l.below(of.Key().String(), func() error { return l.walk(of.Value()) }); err != nil {
			return err
		}
	}
	return nil
}

func (l *leaves) walkJSON(text json.RawMessage) error {
	if text[0] != '{' {
		return l.leaf(string(text))
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return l.refuse(err)
	}
	if len(fields) == 0 {
		return l.leaf("{}")
	}
	for key, value := range fields {
		if err := l.below(key, func() error { return l.walkJSON(value) }); err != nil {
			return err
		}
	}
	return nil
}

func (l *leaves) below(key string, walk func() error) error {
	l.at = append(l.at, key)
	defer func() { l.at = l.at[:len(l.at)-1] }()
	if len(l.at) > maxDepth { // a map may hold itself
		return l.refuse(fmt.Errorf("%w: there are more than %d elements: nest less deeply", ErrPath, maxDepth))
	}
	return walk()
}

func (l *leaves) leaf(text string) error {
	path, err := encode(l.at)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrValue, err)
	}
	l.args = append(l.args, path, text)
	l.bytes += len(path) + len(text)
	if most := l.of.maxLeaves; len(l.args)/2 > most {
		return fmt.Errorf("%w: it has more than %d leaves: set it in parts, or raise MaxLeaves", ErrTooLarge, most)
	}
	if most := l.of.maxBytes; l.bytes > most {
		return fmt.Errorf("%w: it takes more than %d bytes: set it in parts, or raise MaxBytes", ErrTooLarge, most)
	}
	return nil
}

func (l *leaves) refuse(err error) error {
	return fmt.Errorf("%w: at %q: %w", ErrValue, shortened(l.at), err)
}
