package memoize

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"
	"unsafe"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/internal/keytext"
)

// key makes the key of an argument.
func (c *core[A, K, V]) key(ctx context.Context, p *plan[A, K, V], arg A) (key K, err error) {
	if p.identity {
		return *(*K)(unsafe.Pointer(&arg)), nil // A is K: identity says so
	}
	if key, err = extract(ctx, p.settings.Keys, arg); err != nil {
		return key, c.badKey(ctx, err)
	}
	if c.dynamicKeys {
		return key, checkKey(key, c.identityKeys)
	}
	return key, nil
}

// checkKey looks at a key that may hold anything.
func checkKey[K comparable](key K, identity bool) error {
	if err := checkValue(reflect.ValueOf(&key).Elem(), identity); err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	return nil
}

// extract calls the user's key function. A panic becomes an error.
func extract[A any, K comparable](ctx context.Context, keys config.KeyExtractor[A, K], arg A) (key K, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return keys.Key(ctx, arg)
}

func (c *core[A, K, V]) badKey(ctx context.Context, err error) error {
	if _, ok := err.(*PanicError); ok {
		_ = c.panicked(ctx, err)
	}
	return fmt.Errorf("%w: %w", ErrKey, err)
}

// process calls the user's postprocessing. A panic becomes an error.
func process[V any](post config.Postprocessing[V], stored V) (value V, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return post.Apply(stored), nil
}

var timeType = reflect.TypeFor[time.Time]()

// checkType says why keys of a type can't be told apart by what they mean, or
// whether each has to be looked at, because an interface in it may hold
// anything.
func checkType(t reflect.Type, identity bool) (dynamic bool, err error) {
	switch {
	case identity && t.Kind() != reflect.Interface && t.Kind() != reflect.Struct && t.Kind() != reflect.Array:
		return false, nil
	case t == timeType && !identity:
		return false, fmt.Errorf("%v compares by its location and its monotonic reading too, so that equal times differ: use t.UnixNano(), make keys with memoize.NewKeyed, or pass config.IdentityKeys()", t)
	}
	if keytext.Textual[t] { // netip's: they have pointers within, and == means what they mean
		return false, nil
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Chan, reflect.UnsafePointer:
		return false, fmt.Errorf("a %v compares by its address, so that equal contents differ: make keys of the content with memoize.NewKeyed, or pass config.IdentityKeys() where the address is meant", t)
	case reflect.Interface:
		return true, nil
	case reflect.Array:
		return checkType(t.Elem(), identity)
	case reflect.Struct:
		for i := range t.NumField() {
			d, err := checkType(t.Field(i).Type, identity)
			if err != nil {
				return false, fmt.Errorf("field %s: %w", t.Field(i).Name, err)
			}
			dynamic = dynamic || d
		}
	}
	return dynamic, nil
}

// checkValue does for what an interface holds what checkType does for types.
func checkValue(v reflect.Value, identity bool) error {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		held := v.Elem()
		if !held.Type().Comparable() || !held.Comparable() {
			return fmt.Errorf("it holds a %v, which can't be compared: make keys of the content with memoize.NewKeyed", held.Type())
		}
		if _, err := checkType(held.Type(), identity); err != nil {
			return err
		}
		return checkValue(held, identity)
	case reflect.Array:
		for i := range v.Len() {
			if err := checkValue(v.Index(i), identity); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := checkValue(v.Field(i), identity); err != nil {
				return err
			}
		}
	}
	return nil
}
