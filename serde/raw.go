package serde

import (
	"bytes"
	"reflect"
)

// Raw returns the codec of values that are bytes already: V's underlying type must be string
// or []byte, else it is an error. Bytes are copied both ways. A nil
// slice comes back as an empty one.
func Raw[V any]() (Codec[V], error) { return codecOf[V](rawFunctions) }

var rawFunctions = func() *functions {
	f := pair("raw", writeRaw, readRaw)
	f.remedy = rawRemedy
	return f
}()

var bytesType = reflect.TypeFor[[]byte]()

func rawRemedy(t reflect.Type) string {
	if t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.ConvertibleTo(bytesType) {
		return ""
	}
	return "it takes strings and slices of bytes; use json or gob"
}

func writeRaw(value any) ([]byte, error) {
	switch v := value.(type) {
	case *string:
		return []byte(*v), nil
	case *[]byte:
		return bytes.Clone(*v), nil
	}
	v := reflect.ValueOf(value).Elem() // of a type of one's own
	if v.Kind() == reflect.String {
		return []byte(v.String()), nil
	}
	return bytes.Clone(v.Bytes()), nil
}

func readRaw(data []byte, value any) error {
	switch v := value.(type) {
	case *string:
		*v = string(data)
		return nil
	case *[]byte:
		*v = append([]byte{}, data...)
		return nil
	}
	v := reflect.ValueOf(value).Elem()
	if v.Kind() == reflect.String {
		v.SetString(string(data))
	} else {
		v.SetBytes(append([]byte{}, data...))
	}
	return nil
}
