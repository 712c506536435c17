package synced

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"unicode/utf8"
)

// Dict is values under keys that processes share by the name of the whole. Each
// change of it is one atomic step: it reads, changes and compares in this process,
// see Var.Update, and costs what that does. A dict that is not stored is empty.
// Keys are UTF-8 text. Its methods may be called concurrently.
//
// Where a change waits for the server, it is done to the dict that is found then:
// other keys stay as others have set them, and Remove, Pop and PopOr remove what
// they have found in this process's copy if it is still there as it was.
type Dict[T any] struct{ whole *Var[map[string]T] }

// NewDict makes the dict of that name, as NewVar does. Its codec is one of
// map[string]T.
func NewDict[T any](m *Memory, name string, opts ...Option[map[string]T]) (*Dict[T], error) {
	v, err := newVar(m, name, newJSON[map[string]T](), opts)
	if err != nil {
		return nil, err
	}
	v.codec = dictCodec[T]{v.codec}
	if !v.begins {
		err = Default[map[string]T](nil).set(v)
	}
	return &Dict[T]{v}, err
}

// Name is the name that the dict has in its scope.
func (d *Dict[T]) Name() string { return d.whole.Name() }

// Whole is the dict as one value: for Set, Update and Delete. It is never nil.
func (d *Dict[T]) Whole() *Var[map[string]T] { return d.whole }

// All returns the dict. It is Get of the whole.
func (d *Dict[T]) All(ctx context.Context) (map[string]T, error) { return d.whole.Get(ctx) }

// Get returns the value of a key, ErrMissing where there is none.
func (d *Dict[T]) Get(ctx context.Context, key string) (T, error) {
	all, err := d.whole.Get(ctx)
	value, ok := all[key]
	if err == nil && !ok {
		err = d.told("get", key, ErrMissing)
	}
	return value, err
}

// Put sets the value of a key.
func (d *Dict[T]) Put(ctx context.Context, key string, value T) error {
	return d.merge(ctx, "put", map[string]T{key: value})
}

// Merge sets the values of all keys of more.
func (d *Dict[T]) Merge(ctx context.Context, more map[string]T) error {
	if len(more) == 0 {
		return nil
	}
	return d.merge(ctx, "merge", more)
}

func (d *Dict[T]) merge(ctx context.Context, verb string, more map[string]T) error {
	for key := range more {
		if err := d.check(verb, key); err != nil {
			return err
		}
	}
	data, err := d.whole.encode(more) // now: the caller may change it while this waits for the server
	if err != nil {
		return told(verb, d.Name(), err)
	}
	_, err = d.whole.update(ctx, verb, func() int { return len(data) }, func(all map[string]T) (map[string]T, error) {
		more, err := d.whole.decode(data)
		maps.Copy(all, more)
		return all, err
	})
	return err
}

// Update replaces the value of a key by what change makes of it, or of the zero
// value where there is none, and returns that. All that is said of Var.Update
// holds.
func (d *Dict[T]) Update(ctx context.Context, key string, change func(T) (T, error)) (value T, err error) {
	if err := d.check("update", key); err != nil {
		return value, err
	}
	all, err := d.whole.update(ctx, "update", nil, func(all map[string]T) (map[string]T, error) {
		value, err := change(all[key])
		all[key] = value
		return all, err
	})
	return all[key], err
}

// Remove removes a key, and tells whether it was there.
func (d *Dict[T]) Remove(ctx context.Context, key string) (removed bool, err error) {
	_, removed, err = d.take(ctx, "remove", key)
	return removed, err
}

// Pop removes a key and returns its value, ErrMissing where there is none. With
// ErrQueued it returns the value too.
func (d *Dict[T]) Pop(ctx context.Context, key string) (T, error) {
	value, found, err := d.take(ctx, "pop", key)
	if err == nil && !found {
		err = d.told("pop", key, ErrMissing)
	}
	return value, err
}

// PopOr is Pop that returns another value where there is none.
func (d *Dict[T]) PopOr(ctx context.Context, key string, otherwise T) (T, error) {
	value, found, err := d.take(ctx, "pop", key)
	if err == nil && !found {
		return otherwise, nil
	}
	return value, err
}

func (d *Dict[T]) take(ctx context.Context, verb, key string) (value T, found bool, err error) {
	var t taking
	_, err = d.whole.update(ctx, verb, t.size, func(all map[string]T) (map[string]T, error) {
		err := t.attempt(func() ([]byte, bool, error) {
			value, found := all[key]
			if !found {
				return nil, false, nil
			}
			data, err := d.whole.encode(map[string]T{key: value})
			return data, true, err
		}, func(data []byte) error {
			taken, err := d.whole.decode(data)
			if value, found := all[key]; err == nil && (!found || !reflect.DeepEqual(value, taken[key])) {
				err = ErrNoChange
			}
			return err
		})
		delete(all, key)
		return all, err
	})
	data, found, err := t.give(err)
	if !found {
		return value, false, err
	}
	taken, wrong := d.whole.decode(data)
	if wrong != nil {
		return value, true, d.told(verb, key, wrong)
	}
	return taken[key], true, err
}

// check says what is wrong with a key: one that is no UTF-8 would be changed by
// JSON, and two become one.
func (d *Dict[T]) check(verb, key string) error {
	if !utf8.ValidString(key) {
		return d.told(verb, key, fmt.Errorf("%w: the key is no UTF-8", ErrName))
	}
	return nil
}

// told is an error that names the key too.
func (d *Dict[T]) told(verb, key string, err error) error {
	return told(verb+" of "+shown(key), d.Name(), err)
}
