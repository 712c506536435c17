package serde

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"fmt"
	"reflect"
)

// Gob is the codec of encoding/gob: Go's own, for values that JSON would change:
// text that is not UTF-8, numbers in an any, keys of maps that are structs.
//
// It does not write a field whose value is zero, and reports no error. So a pointer in a
// struct to 0, "", false or nil comes back nil, an empty slice in a struct nil, and -0 as 0.
// If that makes a difference, use JSON. Fields that are not exported, or are channels or
// functions, are lost too.
//
// Every record describes its type, which takes room, and for a small value several times
// as long as JSON. Types that an interface may hold must be registered with gob.Register.
// A nil pointer, slice, map or interface is a value, but none may stand within a slice or
// map.
//
// A store is shared, and a record may be anything, so it is looked through before
// encoding/gob reads it: one that says that it holds more than it has bytes for, is
// nested deeper than 10,000 levels or describes more than 65,536 fields is refused.
// A value costs no more than the size of its type for each byte of its record.
// That does not hold for a V that reaches an interface and lacks fields that the
// record describes with another interface in them: gob skips those by a count that
// it does not check. Nor does it for methods GobDecode and UnmarshalBinary, which
// are given what the record says. Use JSON if others write to the store.
//
// It is an error if V is a channel, a function or a struct without exported
// fields that does not write itself.
func Gob[V any]() (Codec[V], error) { return codecOf[V](gobFunctions) }

var gobFunctions = func() *functions {
	f := pair("gob", writeGob, readGob)
	f.noNil, f.remedy, f.itself = true, gobRemedy, func(t reflect.Type) bool { return writesItself(t) || writesItself(reflect.PointerTo(t)) }
	return f
}()

func writeGob(value any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(value)
	return b.Bytes(), err
}

func readGob(data []byte, value any) error {
	if err := checkGob(data); err != nil {
		return err
	}
	r := bytes.NewReader(data)
	if err := gob.NewDecoder(r).Decode(value); err != nil {
		return err
	}
	if r.Len() > 0 {
		return fmt.Errorf("%d bytes are left over", r.Len())
	}
	return nil
}

func gobRemedy(t reflect.Type) string {
	for t.Kind() == reflect.Pointer && !writesItself(t) {
		t = t.Elem()
	}
	if writesItself(reflect.PointerTo(t)) { // t's own methods are among them
		return ""
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return "it can't be written at all"
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if k := f.Type.Kind(); f.IsExported() && k != reflect.Chan && k != reflect.Func {
				return ""
			}
		}
		return "it has no exported fields; export some, or give it MarshalBinary and UnmarshalBinary"
	}
	return ""
}

func writesItself(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[gob.GobEncoder]()) || t.Implements(reflect.TypeFor[encoding.BinaryMarshaler]())
}
