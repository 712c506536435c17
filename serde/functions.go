package serde

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// functions are a codec of which it is not known yet what type its values have.
type functions struct {
	name      string
	message   reflect.Type // what marshal and unmarshal take
	marshal   func(message any) ([]byte, error)
	unmarshal func(data []byte, message any) error
	noNil     bool                      // the format has no way to write a nil
	itself    func(reflect.Type) bool   // whether a type is written by methods of its own; nil where fields are no matter
	remedy    func(reflect.Type) string // why a type does not fit and what it is to be; nil, or "" where it fits
}

// pair makes functions of two that a format's package has.
func pair[M any](name string, marshal func(M) ([]byte, error), unmarshal func([]byte, M) error) *functions {
	return &functions{
		name:      name,
		message:   reflect.TypeFor[M](),
		marshal:   func(message any) ([]byte, error) { return marshal(message.(M)) },
		unmarshal: func(data []byte, message any) error { return unmarshal(data, message.(M)) },
	}
}

// codec is a Codec by functions. They are given a *V, or the V itself where that
// is a pointer to what they take.
type codec[V any] struct {
	*functions
	element reflect.Type // what V points to, where functions are given the V itself
	marked  bool         // a first byte tells nil from what the functions write
}

// The first byte where a codec is marked.
const (
	isNil  = 0
	notNil = 1
)

func codecOf[V any](f *functions) (Codec[V], error) {
	t := reflect.TypeFor[V]()
	if err := f.fits(t); err != nil {
		return nil, err
	}
	switch {
	case reflect.PointerTo(t).AssignableTo(f.message):
		return &codec[V]{functions: f, marked: f.noNil && nilable(t)}, nil
	case t.Kind() == reflect.Pointer && t.AssignableTo(f.message):
		return &codec[V]{functions: f, element: t.Elem(), marked: true}, nil
	}
	return nil, fmt.Errorf("serde: %s does not take %v: neither it nor a pointer to it is %v; use json or gob", f.name, t, f.message)
}

// fits says why values of a type can't be written, as far as that can be known.
func (f *functions) fits(t reflect.Type) error {
	if f.remedy != nil {
		if remedy := f.remedy(t); remedy != "" {
			return fmt.Errorf("serde: %s does not take %v: %s", f.name, t, remedy)
		}
	}
	return nil
}

func nilable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	}
	return false
}

// Name is the format's name.
func (c *codec[V]) Name() string { return c.name }

func (c *codec[V]) Encode(value V) ([]byte, error) {
	if !c.marked {
		return c.marshal(&value)
	}
	if reflect.ValueOf(&value).Elem().IsNil() {
		return []byte{isNil}, nil
	}
	var message any = &value
	if c.element != nil {
		message = value
	}
	data, err := c.marshal(message)
	if err != nil {
		return nil, err
	}
	return append([]byte{notNil}, data...), nil
}

func (c *codec[V]) Decode(data []byte) (value V, err error) {
	if c.marked {
		switch {
		case len(data) == 1 && data[0] == isNil:
			return value, nil
		case len(data) == 0 || data[0] != notNil:
			return value, errMark
		}
		data = data[1:]
	}
	var message any = &value
	if c.element != nil {
		message = reflect.New(c.element).Interface()
		value = message.(V)
	}
	if err := c.unmarshal(data, message); err != nil {
		var none V
		return none, err
	}
	if c.marked {
		fill(reflect.ValueOf(&value).Elem())
	}
	return value, nil
}

// fill makes an empty slice or map of a nil one: the functions may not tell them
// apart, and nil has a mark of its own.
func fill(v reflect.Value) {
	switch {
	case !v.IsNil():
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	}
}

var errMark = errors.New("the first byte says neither that there is a value nor that it is nil")

// checkName says what is wrong with the name of a format.
func checkName(name string) error {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "" {
		return fmt.Errorf("serde: the name %q: give letters, digits and any of -._", name)
	}
	return nil
}
