package config

import (
	"fmt"
	"reflect"
	"time"
)

// DeepCopy gives every caller a copy of the value and of all it refers to, so
// that callers may change what they get. It copies plain exported data: numbers,
// text, times, and pointers, slices, arrays, maps and structs of them, whatever
// refers to a thing twice or in a circle included. Types that have a method
// Clone that returns the type itself are copied by it. Anything else (an
// unexported field, an interface, a channel, a function) is refused when the
// function is made. It costs reflection on every return; CopyBy is faster.
func DeepCopy[V any]() Postprocessing[V] { return deepCopy[V]{} }

type deepCopy[V any] struct{}

func (deepCopy[V]) String() string { return "DeepCopy" }

// Validate says why values of the type can't be copied.
func (deepCopy[V]) Validate() error {
	t := reflect.TypeFor[V]()
	if why := uncopyable(t, t.String(), map[reflect.Type]bool{}); why != "" {
		return fmt.Errorf("config: DeepCopy can't copy %v: %s: give it a Clone method, or use config.CopyBy", t, why)
	}
	return nil
}

func (deepCopy[V]) Apply(value V) V {
	from := reflect.ValueOf(&value).Elem()
	return copied(from, map[reference]reflect.Value{}).Interface().(V)
}

var timeType = reflect.TypeFor[time.Time]()

// uncopyable says what in a type can't be copied, or nothing.
func uncopyable(t reflect.Type, path string, seen map[reflect.Type]bool) string {
	if seen[t] || hasClone(t) || t == timeType {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return uncopyable(t.Elem(), path, seen)
	case reflect.Map:
		if why := uncopyable(t.Key(), path+" key", seen); why != "" {
			return why
		}
		return uncopyable(t.Elem(), path+" value", seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() {
				return fmt.Sprintf("%s.%s is not exported", path, f.Name)
			}
			if why := uncopyable(f.Type, path+"."+f.Name, seen); why != "" {
				return why
			}
		}
	case reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return fmt.Sprintf("%s is of kind %v", path, t.Kind())
	}
	return ""
}

// hasClone tells whether t has a method Clone() t.
func hasClone(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	m, ok := t.MethodByName("Clone")
	return ok && m.Type.NumIn() == 1 && m.Type.NumOut() == 1 && m.Type.Out(0) == t
}

// reference is what a pointer, slice or map refers to.
type reference struct {
	at  uintptr
	len int
	t   reflect.Type
}

// copied copies v; done holds what has been copied already.
func copied(v reflect.Value, done map[reference]reflect.Value) reflect.Value {
	t := v.Type()
	nilable := t.Kind() == reflect.Pointer || t.Kind() == reflect.Map || t.Kind() == reflect.Slice
	if nilable && v.IsNil() {
		return v
	}
	if hasClone(t) {
		return v.MethodByName("Clone").Call(nil)[0]
	}
	if t == timeType {
		return v
	}
	var ref reference
	if nilable {
		ref = reference{at: v.Pointer(), t: t}
		if t.Kind() == reflect.Slice {
			ref.len = v.Len()
		}
		if c, ok := done[ref]; ok {
			return c
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		c := reflect.New(t.Elem())
		done[ref] = c.Convert(t)
		c.Elem().Set(copied(v.Elem(), done))
		return c.Convert(t)
	case reflect.Slice:
		c := reflect.MakeSlice(t, v.Len(), v.Len())
		done[ref] = c
		for i := range v.Len() {
			c.Index(i).Set(copied(v.Index(i), done))
		}
		return c
	case reflect.Map:
		c := reflect.MakeMapWithSize(t, v.Len())
		done[ref] = c
		for it := v.MapRange(); it.Next(); {
			c.SetMapIndex(copied(it.Key(), done), copied(it.Value(), done))
		}
		return c
	case reflect.Array:
		c := reflect.New(t).Elem()
		for i := range v.Len() {
			c.Index(i).Set(copied(v.Index(i), done))
		}
		return c
	case reflect.Struct:
		c := reflect.New(t).Elem()
		for i := range v.NumField() {
			c.Field(i).Set(copied(v.Field(i), done))
		}
		return c
	}
	return v
}
