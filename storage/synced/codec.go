package synced

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/perennial-go/perennial/serde"
)

// plainJSON is the codec where none is given: serde.JSON, but that it does not
// take null for a zero.
type plainJSON[T any] struct {
	serde.Codec[T]
	null bool // T has a way to be null
}

func newJSON[T any]() serde.Codec[T] {
	t := reflect.TypeFor[T]()
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return plainJSON[T]{serde.JSON[T](), true}
	}
	return plainJSON[T]{serde.JSON[T](), reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())}
}

var errNull = errors.New("null is stored")

func (c plainJSON[T]) Decode(data []byte) (value T, err error) {
	if !c.null && string(bytes.TrimSpace(data)) == "null" {
		return value, errNull
	}
	return c.Codec.Decode(data)
}

// listCodec writes a list that is nil as one that is empty, and reads it so.
type listCodec[T any] struct{ serde.Codec[[]T] }

func (c listCodec[T]) Encode(list []T) ([]byte, error) {
	if list == nil {
		list = []T{}
	}
	return c.Codec.Encode(list)
}

func (c listCodec[T]) Decode(data []byte) ([]T, error) {
	list, err := c.Codec.Decode(data)
	if list == nil {
		list = []T{}
	}
	return list, err
}

// dictCodec is the same for dicts.
type dictCodec[T any] struct{ serde.Codec[map[string]T] }

func (c dictCodec[T]) Encode(dict map[string]T) ([]byte, error) {
	if dict == nil {
		dict = map[string]T{}
	}
	return c.Codec.Encode(dict)
}

func (c dictCodec[T]) Decode(data []byte) (map[string]T, error) {
	dict, err := c.Codec.Decode(data)
	if dict == nil {
		dict = map[string]T{}
	}
	return dict, err
}
