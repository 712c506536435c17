// Package keytext writes a key as text, so that two keys of one type have the
// same text exactly when they are equal.
package keytext

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Of is the text of a key of type K: numbers and bools as Go writes them, strings quoted,
// structs {a,b}, arrays [a,b], and the value of an interface after the name of
// its type. Keys that have no text of that kind are an error: NaN, which is not
// equal to itself, and pointers and channels, whose addresses mean nothing
// elsewhere.
func Of[K any](key K) (string, error) {
	text, err := Append(nil, key)
	return string(text), err
}

// Append adds the text of a key to a text. Of the commonest types it does so at
// once.
func Append[K any](to []byte, key K) ([]byte, error) {
	switch p := any(&key).(type) { // of the type itself: an interface K stays one
	case *string:
		return appendQuoted(to, *p), nil
	case *int:
		return strconv.AppendInt(to, int64(*p), 10), nil
	case *int64:
		return strconv.AppendInt(to, *p, 10), nil
	case *uint64:
		return strconv.AppendUint(to, *p, 10), nil
	}
	return appendOther(to, key)
}

// appendOther stands apart, for there the key escapes.
func appendOther[K any](to []byte, key K) ([]byte, error) {
	return appendValue(to, reflect.ValueOf(&key).Elem())
}

// Check says why keys of a type have no text. What an interface in it holds is
// not known yet.
func Check(t reflect.Type) error {
	if Textual[t] {
		return nil
	}
	switch t.Kind() {
	case reflect.Array:
		return Check(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if err := Check(t.Field(i).Type); err != nil {
				return fmt.Errorf("field %s: %w", t.Field(i).Name, err)
			}
		}
	case reflect.Pointer, reflect.Chan, reflect.UnsafePointer, reflect.Func, reflect.Map, reflect.Slice:
		return noText(t.Kind())
	}
	return nil
}

func noText(k reflect.Kind) error {
	return fmt.Errorf("a key of kind %v has no text that means the same elsewhere: make keys of its content with memoize.NewKeyed", k)
}

// appendValue adds the text of a value that can be addressed and asked.
func appendValue(to []byte, v reflect.Value) ([]byte, error) {
	if text, ok := textual(v); ok {
		return appendQuoted(to, text), nil
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(to, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(to, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(to, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(to, v.Float(), v.Type().Bits())
	case reflect.Complex64, reflect.Complex128:
		c, bits := v.Complex(), v.Type().Bits()/2
		return appendAll(to, '(', ')', 2, func(to []byte, i int) ([]byte, error) {
			return appendFloat(to, [...]float64{real(c), imag(c)}[i], bits)
		})
	case reflect.String:
		return appendQuoted(to, v.String()), nil
	case reflect.Array:
		return appendAll(to, '[', ']', v.Len(), func(to []byte, i int) ([]byte, error) { return appendValue(to, v.Index(i)) })
	case reflect.Struct:
		return appendAll(to, '{', '}', v.NumField(), func(to []byte, i int) ([]byte, error) { return appendValue(to, field(v, i)) })
	case reflect.Interface:
		if v.IsNil() {
			return append(to, "nil"...), nil
		}
		name, err := typeName(v.Elem().Type())
		if err != nil {
			return nil, err
		}
		held := reflect.New(v.Elem().Type()).Elem()
		held.Set(v.Elem())
		return appendAll(append(to, name...), '(', ')', 1, func(to []byte, _ int) ([]byte, error) { return appendValue(to, held) })
	}
	return nil, noText(v.Kind())
}

// field is a struct's field. One that is not exported can't be asked, and is read
// through its address. What is in a blank one does not matter to ==.
func field(v reflect.Value, i int) reflect.Value {
	f := v.Field(i)
	switch {
	case f.CanInterface():
		return f
	case v.Type().Field(i).Name == "_":
		return reflect.New(f.Type()).Elem()
	}
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

func appendAll(to []byte, open, end byte, n int, element func(to []byte, i int) ([]byte, error)) (_ []byte, err error) {
	to = append(to, open)
	for i := range n {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = element(to, i); err != nil {
			return nil, err
		}
	}
	return append(to, end), nil
}

func appendFloat(to []byte, f float64, bits int) ([]byte, error) {
	if f != f {
		return nil, errNaN
	}
	if f == 0 {
		f = 0 // -0 == 0: one key, one text
	}
	return strconv.AppendFloat(to, f, 'g', -1, bits), nil
}

var errNaN = errors.New("NaN is not equal to itself and can't be a key")

// Name is a function's name as the first part of a key, before a colon. A brace in it
// would say where in a Redis Cluster all keys of the function are.
func Name(name string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", "\n", "%0A", "\r", "%0D", " ", "%20", "{", "%7B", "}", "%7D").Replace(name)
}
