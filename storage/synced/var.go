package synced

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// Var is a value of type T that processes share by its name. It copies what it returns and
// what it is given. Methods may be called concurrently. Those that change something return
// ErrQueued if the change waits until the server is back.
type Var[T any] struct {
	store   *resilient.Store
	name    string
	key     string
	codec   serde.Codec[T]
	initial []byte // what there is where nothing is stored, encoded
	begins  bool   // initial was given
}

// Option configures a Var, a List or a Dict, whose type as a whole is T.
type Option[T any] struct {
	set func(v *Var[T]) error
}

// Codec sets how values are written. All processes that share a value need the same one.
// Default: encoding/json.
func Codec[T any](c serde.Codec[T]) Option[T] {
	return Option[T]{func(v *Var[T]) error {
		if c == nil {
			return errors.New("the codec is nil: give one, or leave the option out for JSON")
		}
		v.codec = c
		return nil
	}}
}

// Default sets what Get returns, and Update begins with, if nothing is stored; it is not
// stored by that. Without it Get returns ErrMissing, and Update begins with the zero value.
func Default[T any](value T) Option[T] {
	return Option[T]{func(v *Var[T]) (err error) {
		v.initial, err = v.encode(value)
		v.begins = true
		return err
	}}
}

// NewVar makes the variable of that name in a memory or a scope. It does not call the
// server. There may be several of one name.
func NewVar[T any](m *Memory, name string, opts ...Option[T]) (*Var[T], error) {
	return newVar(m, name, newJSON[T](), opts)
}

func newVar[T any](m *Memory, name string, codec serde.Codec[T], opts []Option[T]) (*Var[T], error) {
	if err := errors.Join(m.wrong, checkName("value", name)); err != nil {
		return nil, fmt.Errorf("synced: %w", err)
	}
	v := &Var[T]{store: m.store, name: name, key: m.prefix + escaper.Replace(name), codec: codec}
	for _, o := range opts {
		if o.set == nil {
			return nil, fmt.Errorf("synced: the value %s: a zero Option: make options with the functions of this package", shown(name))
		}
		if err := o.set(v); err != nil {
			return nil, fmt.Errorf("synced: the value %s: %w", shown(name), err)
		}
	}
	return v, nil
}

// Name returns the name of the value in its scope.
func (v *Var[T]) Name() string { return v.name }

// Get returns the value. It costs one round trip, or one a minute while a Watch covers the
// value. While the server is away it costs none, and returns what this process saw last or
// has changed since. With an error it returns the Default, or else the zero value.
func (v *Var[T]) Get(ctx context.Context) (T, error) {
	r, err := v.store.Get(ctx, v.key)
	if err == nil && r.Found {
		var value T
		if value, err = v.decode(r.Value); err == nil {
			return value, nil
		}
	}
	value, wrong := v.start()
	if err == nil && !v.begins {
		err = ErrMissing
	}
	return value, told("get", v.name, errors.Join(err, wrong))
}

// Set replaces the value. It costs one round trip, and up to two more if this process has
// not seen the latest value. If two processes set the same name while the server is away,
// the one that reaches it first wins; the other's value is dropped, and reported.
func (v *Var[T]) Set(ctx context.Context, value T) error {
	data, err := v.encode(value)
	if err != nil {
		return told("set", v.name, err)
	}
	return told("set", v.name, v.store.Set(ctx, v.key, data, storage.Forever))
}

// Delete deletes the value. A missing value is no error.
func (v *Var[T]) Delete(ctx context.Context) error {
	_, err := v.store.Delete(ctx, v.key)
	return told("delete", v.name, err)
}

// Update replaces the value by what change makes of it, and returns the result. It is one
// atomic step: if another process has changed the value meanwhile, change is called again
// with the newer one, and no change is lost. It costs as many round trips as Set.
//
// While the server is away change is called with the value that this process has, and
// called again with the value that is found when the server is back, after Update has
// returned ErrQueued. So change must be a pure function of its argument and of data that
// nobody changes later, and must not use the memory. If change returns an error, such as
// ErrNoChange, nothing changes. If it does so only in the later call, the change is dropped
// and reported.
func (v *Var[T]) Update(ctx context.Context, change func(T) (T, error)) (T, error) {
	return v.update(ctx, "update", nil, change)
}

// update is Update whose change holds so many bytes while it waits, where that is told.
func (v *Var[T]) update(ctx context.Context, verb string, holds func() int, change func(T) (T, error)) (value T, err error) {
	var opts []resilient.UpdateOption
	if holds != nil {
		opts = append(opts, resilient.Holds(holds))
	}
	r, err := v.store.Update(ctx, v.key, v.change(change), opts...)
	if err == nil || errors.Is(err, ErrQueued) {
		var wrong error
		if value, wrong = v.found(r); wrong != nil {
			err = wrong
		}
	}
	return value, told(verb, v.name, err)
}

// change is a change of values as one of records.
func (v *Var[T]) change(change func(T) (T, error)) func(storage.Record) ([]byte, time.Duration, error) {
	return func(now storage.Record) ([]byte, time.Duration, error) {
		value, err := v.found(now)
		if err != nil {
			return nil, 0, err
		}
		if value, err = change(value); err != nil {
			return nil, 0, err
		}
		data, err := v.encode(value)
		return data, storage.Forever, err
	}
}

// found is the value of a record, and what there is to begin with where there is
// none.
func (v *Var[T]) found(r storage.Record) (T, error) {
	if !r.Found {
		return v.start()
	}
	return v.decode(r.Value)
}

// start is a copy of the default, or the zero value.
func (v *Var[T]) start() (value T, err error) {
	if v.begins {
		return v.decode(v.initial)
	}
	return value, nil
}

func (v *Var[T]) encode(value T) ([]byte, error) {
	data, err := v.codec.Encode(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %v: %w: nothing was changed", ErrValue, reflect.TypeFor[T](), err)
	}
	return data, nil
}

func (v *Var[T]) decode(data []byte) (T, error) {
	value, err := v.codec.Decode(data)
	if err != nil {
		var none T
		return none, fmt.Errorf("%w: it can't be read as %v: %w", ErrForeign, reflect.TypeFor[T](), err)
	}
	return value, nil
}
