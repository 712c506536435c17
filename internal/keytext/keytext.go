// Package keytext writes a key as text, so that two keys of one type have the
// same text exactly when they are equal.
package keytext

import (
	"fmt"
	"net/netip"
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
		return strconv.AppendQuote(to, *p), nil
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
	var b strings.Builder
	if err := write(&b, reflect.ValueOf(&key).Elem()); err != nil {
		return nil, err
	}
	return append(to, b.String()...), nil
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

func write(b *strings.Builder, v reflect.Value) error {
	if t, ok := textual(v); ok {
		b.WriteString(strconv.Quote(t))
		return nil
	}
	switch v.Kind() {
	case reflect.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		b.WriteString(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		return writeFloat(b, v.Float(), v.Type().Bits())
	case reflect.Complex64, reflect.Complex128:
		c, bits := v.Complex(), v.Type().Bits()/2
		return writeAll(b, '(', ')', 2, func(i int) error {
			return writeFloat(b, [...]float64{real(c), imag(c)}[i], bits)
		})
	case reflect.String:
		b.WriteString(strconv.Quote(v.String()))
	case reflect.Array:
		return writeAll(b, '[', ']', v.Len(), func(i int) error { return write(b, v.Index(i)) })
	case reflect.Struct:
		return writeAll(b, '{', '}', v.NumField(), func(i int) error { return write(b, v.Field(i)) })
	case reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
			return nil
		}
		t := v.Elem().Type()
		b.WriteString(t.PkgPath() + "." + t.String())
		return writeAll(b, '(', ')', 1, func(int) error { return write(b, v.Elem()) })
	case reflect.Invalid:
		b.WriteString("nil")
	default:
		return noText(v.Kind())
	}
	return nil
}

// Textual are the types that have pointers within and compare by what they mean.
var Textual = map[reflect.Type]bool{
	reflect.TypeFor[netip.Addr](): true, reflect.TypeFor[netip.AddrPort](): true, reflect.TypeFor[netip.Prefix](): true,
}

// textual is the text of a value of one of these types. A field that is not
// exported can't be asked, and is read through its address.
func textual(v reflect.Value) (string, bool) {
	if !v.IsValid() || !Textual[v.Type()] {
		return "", false
	}
	if !v.CanInterface() {
		if !v.CanAddr() {
			return "", false
		}
		v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	}
	return v.Interface().(fmt.Stringer).String(), true
}

func writeAll(b *strings.Builder, open, end byte, n int, element func(i int) error) error {
	b.WriteByte(open)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := element(i); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

func writeFloat(b *strings.Builder, f float64, bits int) error {
	if f != f {
		return fmt.Errorf("NaN is not equal to itself and can't be a key")
	}
	if f == 0 {
		f = 0 // -0 == 0: one key, one text
	}
	b.WriteString(strconv.FormatFloat(f, 'g', -1, bits))
	return nil
}

// Name is a function's name as the first part of a key, before a colon.
func Name(name string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", "\n", "%0A", "\r", "%0D", " ", "%20").Replace(name)
}
