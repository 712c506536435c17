package serde

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Inspect checks the type of the values that a SerDe or Codec of this package writes. It
// returns an error if they can't be read again, such as an interface with methods in JSON,
// and the fields that are left out because they are not exported. It knows nothing of
// codecs of other packages.
func Inspect(s any) (lost []string, err error) {
	if i, ok := s.(inspected); ok {
		return i.inspect()
	}
	return nil, nil
}

// inspected is what can be inspected.
type inspected interface {
	inspect() (lost []string, err error)
}

func (c *codec[V]) inspect() (lost []string, err error) {
	return c.functions.inspect(reflect.TypeFor[V]())
}

func (s *envelope[V]) inspect() (lost []string, err error) { return Inspect(s.codec) }

func (s encodedSerDe[V]) inspect() (lost []string, err error) { return Inspect(s.SerDe) }

func (c encodedCodec[V]) inspect() (lost []string, err error) { return Inspect(c.Codec) }

func (s entryJSON[V, R]) inspect() (lost []string, err error) {
	return jsonFunctions.inspect(reflect.TypeFor[R]())
}

func (f *functions) inspect(t reflect.Type) (lost []string, err error) {
	if err := f.fits(t); err != nil || f.itself == nil {
		return nil, err
	}
	w := walk{itself: f.itself, tag: f.name, seen: map[reflect.Type]bool{}}
	w.fields(t, t.String())
	return w.lost, nil
}

// walk finds the fields of a type that are left out for not being exported.
type walk struct {
	itself func(reflect.Type) bool // whether a type is written by methods of its own
	tag    string                  // of fields: a dash leaves one out, as somebody wants it
	seen   map[reflect.Type]bool
	lost   []string
}

func (w *walk) fields(t reflect.Type, path string) {
	if w.seen[t] || w.itself(t) {
		return
	}
	w.seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		w.fields(t.Elem(), path)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			at := path + "." + f.Name
			switch promoted := f.Anonymous && under(f.Type).Kind() == reflect.Struct; {
			case f.Tag.Get(w.tag) == "-":
			case f.IsExported() || promoted:
				w.fields(f.Type, at)
			case f.Name != "_" && f.Type.Size() > 0 && f.Type.PkgPath() != "sync": // a lock is no value
				w.lost = append(w.lost, at)
			}
		}
	}
}

func under(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

var (
	jsonMarshaler, jsonUnmarshaler = reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler]()
	textMarshaler, textUnmarshaler = reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()
)

// has reports whether a type or a pointer to it has the methods.
func has(t, methods reflect.Type) bool {
	return t.Implements(methods) || t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(methods)
}

func writesItsJSON(t reflect.Type) bool { return has(t, jsonMarshaler) || has(t, textMarshaler) }

// jsonRemedy says of which part of a type JSON can't be read, or written, and what is
// to be done about it.
func jsonRemedy(t reflect.Type) string { return jsonFault(t, "", map[reflect.Type]bool{}) }

// jsonFault is jsonRemedy of a part of a type. Those that were seen are well, as far as
// it is known by now.
func jsonFault(t reflect.Type, path string, seen map[reflect.Type]bool) string {
	at := "it"
	if path != "" {
		at = path[1:]
	}
	switch reads := has(t, jsonUnmarshaler) || has(t, textUnmarshaler); {
	case seen[t], has(t, jsonMarshaler): // of the latter nobody can know
		return ""
	case t.Kind() == reflect.Interface && t.NumMethod() > 0:
		return fmt.Sprintf("%s is an interface with methods, %v, of which JSON does not know what to read: make it a type, tag it json:\"-\", or take gob and gob.Register", at, t)
	case has(t, textMarshaler):
		if !reads && t.Kind() != reflect.String {
			return fmt.Sprintf("%s has MarshalText and no UnmarshalText: give it that", at)
		}
		return ""
	case reads:
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return fmt.Sprintf("%s has no form in JSON; give it MarshalJSON and UnmarshalJSON, or tag it json:\"-\"", at)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return jsonFault(t.Elem(), path, seen)
	case reflect.Map:
		if !isJSONKey(t.Key()) {
			return fmt.Sprintf("the keys of %s, of type %v, have no form in JSON: give them MarshalText and UnmarshalText, or take gob", at, t.Key())
		}
		return jsonFault(t.Elem(), path, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.Tag.Get("json") == "-" || tag == "" && !f.IsExported() && !f.Anonymous {
				continue
			}
			if !f.IsExported() && (!f.Anonymous || under(f.Type).Kind() != reflect.Struct) {
				continue
			}
			if fault := jsonFault(f.Type, path+"."+f.Name, seen); fault != "" {
				return fault
			}
		}
	}
	return ""
}

// isJSONKey reports whether a map's keys are written and read.
func isJSONKey(t reflect.Type) bool {
	if k := t.Kind(); k == reflect.String || k >= reflect.Int && k <= reflect.Uintptr {
		return true
	}
	return has(t, textMarshaler) && has(t, textUnmarshaler)
}
