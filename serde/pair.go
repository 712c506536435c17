package serde

import (
	"errors"
	"fmt"
)

// Pair makes a codec of the two functions that the package of a format has:
//
//	serde.Pair[User]("msgpack", msgpack.Marshal, msgpack.Unmarshal)
//	serde.Pair[User]("cbor", cbor.Marshal, cbor.Unmarshal)
//	serde.Pair[*pb.User]("proto", proto.Marshal, proto.Unmarshal)
//
// The functions are given a *V if that is an M. Otherwise V must be a pointer
// that is an M, as with messages of protobuf: the second is given a new one
// then, and a first byte before what the first has written tells nil from an
// empty message. Both are called concurrently, and the second must keep no
// reference to its data.
//
// The name stands for the format, in every process: see Named. It is an error if
// V does not fit, a function is nil, or the name has anything but letters,
// digits and "-._".
func Pair[V, M any](name string, marshal func(M) ([]byte, error), unmarshal func(data []byte, message M) error) (Codec[V], error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if marshal == nil || unmarshal == nil {
		return nil, errNilFunction(name)
	}
	return codecOf[V](pair(name, marshal, unmarshal))
}

// Funcs makes a codec of any two functions, which must do all that a Codec does. Use it for
// values that have no format of their own; else see Pair, whose errors it shares.
func Funcs[V any](name string, encode func(V) ([]byte, error), decode func([]byte) (V, error)) (Codec[V], error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if encode == nil || decode == nil {
		return nil, errNilFunction(name)
	}
	return funcs[V]{name, encode, decode}, nil
}

type funcs[V any] struct {
	name   string
	encode func(V) ([]byte, error)
	decode func([]byte) (V, error)
}

func (c funcs[V]) Name() string                   { return c.name }
func (c funcs[V]) Encode(value V) ([]byte, error) { return c.encode(value) }
func (c funcs[V]) Decode(data []byte) (V, error)  { return c.decode(data) }

func errNilFunction(name string) error {
	return fmt.Errorf("serde: %s: %w", name, errors.New("a function is nil: give one that writes and one that reads"))
}
