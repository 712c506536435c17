package serde

import (
	"encoding"
	"encoding/json"
	"reflect"
)

// JSON is the codec of encoding/json, and the one that is used where nothing
// else is said. Its values can be read by people and by other languages. Fields
// that are not exported are lost, as in Gob; numbers in an any become float64 and
// text that is not UTF-8 is changed, which Gob leaves as they are.
func JSON[V any]() Codec[V] { return &codec[V]{functions: jsonFunctions} }

var jsonFunctions = func() *functions {
	f := pair("json", json.Marshal, json.Unmarshal)
	f.remedy = jsonRemedy
	return f
}()

func jsonRemedy(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		p := reflect.PointerTo(t)
		if !p.Implements(reflect.TypeFor[json.Marshaler]()) && !p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
			return "it has no form in JSON; give it MarshalJSON and UnmarshalJSON"
		}
	}
	return ""
}
