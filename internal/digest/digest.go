// Package digest makes digests of keys of any type and length.
package digest

import (
	"hash/maphash"
	"reflect"
)

// Digest stands for a key where many keys of any length are remembered. Its 128 bits
// come from seeds that nobody outside of the process knows, so that no two keys have
// the same one.
type Digest [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// Of is the digest of a key.
func Of[K comparable](key K) Digest {
	d := digest(key)
	if hasInterface(reflect.TypeFor[K]()) {
		addTypes(&d, reflect.ValueOf(&key).Elem())
	}
	return d
}

func digest[T comparable](v T) Digest {
	return Digest{maphash.Comparable(seeds[0], v), maphash.Comparable(seeds[1], v)}
}

// typed is a digest to which the type of a part of the key is added.
type typed struct {
	of   Digest
	held reflect.Type
}

// addTypes adds to a digest the types of what the interfaces in a key hold. The
// hash/maphash package leaves them out: int(1) and int64(1) have one hash there.
func addTypes(d *Digest, v reflect.Value) {
	if !hasInterface(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		var held reflect.Type // nil for a nil interface
		if v = v.Elem(); v.IsValid() {
			held = v.Type()
		}
		*d = digest(typed{*d, held})
		if held != nil {
			addTypes(d, v)
		}
	case reflect.Array:
		for i := range v.Len() {
			addTypes(d, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "_" {
				addTypes(d, v.Field(i))
			}
		}
	}
}

// hasInterface tells whether there are interfaces in the values of a type that are
// looked at when two of them are compared.
func hasInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return hasInterface(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.Name != "_" && hasInterface(f.Type) {
				return true
			}
		}
	}
	return false
}
