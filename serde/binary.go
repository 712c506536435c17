package serde

import "encoding"

// Binary is the codec of values that write and read themselves, as time.Time,
// *url.URL and what code generators make do: V or *V has MarshalBinary and
// UnmarshalBinary. It is an error if neither has. A nil pointer is a value.
func Binary[V any]() (Codec[V], error) { return codecOf[V](binaryFunctions) }

// selfWriter is an alias so that an error shows its methods.
type selfWriter = interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

var binaryFunctions = pair("binary", selfWriter.MarshalBinary, func(data []byte, value selfWriter) error { return value.UnmarshalBinary(data) })
