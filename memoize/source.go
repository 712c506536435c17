package memoize

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
)

// source asks for the values of one or many arguments.
type source[A, V any] struct {
	one  func(ctx context.Context, arg A) (V, error)
	many func(ctx context.Context, args []A) (reply[V], error)
}

// reply is what a source that takes many says, in the order of its arguments.
type reply[V any] struct {
	values  []V
	ok      []bool
	unasked int // values of arguments that it was not given
}

// answer is what the source said of one argument.
type answer[V any] struct {
	value V
	err   error
	keep  bool // it may be stored
}

// ask runs the source on this goroutine. A panic becomes the error of all. unasked is
// how many values it has returned of arguments that it was not given.
func (s source[A, V]) ask(ctx context.Context, args []A) (answers []answer[V], unasked int) {
	answers = make([]answer[V], len(args))
	if s.one != nil {
		for i := range args {
			answers[i] = askOne(ctx, s.one, args[i])
		}
		return answers, 0
	}
	var got reply[V]
	err := safely(func() (err error) {
		got, err = s.many(ctx, args)
		return err
	})
	keep := err != NoStore
	if !keep {
		err = nil
	}
	for i := range answers {
		switch {
		case i < len(got.values) && got.ok[i]:
			answers[i] = answer[V]{value: got.values[i], keep: keep}
		case err != nil:
			answers[i].err = err
		default:
			answers[i].err = ErrNoValue
		}
	}
	return answers, got.unasked
}

// errorOf is what is told of a batch: the one error that it has failed with, or how
// many keys have failed and the first errors.
func errorOf[V any](answers []answer[V]) error {
	errs, same := make([]error, len(answers)), true
	for i, a := range answers {
		errs[i] = a.err
		same = same && sameError(a.err, answers[0].err)
	}
	if same {
		return answers[0].err
	}
	return manyError(errs)
}

// sameError tells whether two errors are one value. Those that can't be compared are
// not.
func sameError(a, b error) bool {
	return a == nil && b == nil || a != nil && reflect.TypeOf(a).Comparable() && a == b
}

func askOne[A, V any](ctx context.Context, source func(context.Context, A) (V, error), arg A) (a answer[V]) {
	defer func() {
		if r := recover(); r != nil {
			a = answer[V]{err: &PanicError{Value: r, Stack: debug.Stack()}}
		}
	}()
	a.value, a.err = source(ctx, arg)
	a.keep = a.err == nil
	if a.err == NoStore {
		a.err = nil
	}
	return a
}

// safely runs user code. A panic becomes an error.
func safely(f func() error) (err error) {
	defer recovering(&err)
	return f()
}

// recovering is deferred around user code: it makes a panic an error.
func recovering(err *error) {
	if r := recover(); r != nil {
		*err = &PanicError{Value: r, Stack: debug.Stack()}
	}
}

// batchOf makes a source of a function that takes many keys, which are all different.
// Its slice of keys is its own: it may sort it.
func batchOf[K comparable, V any](f func(ctx context.Context, keys []K) (map[K]V, error)) source[K, V] {
	return source[K, V]{many: func(ctx context.Context, keys []K) (r reply[V], err error) {
		values, err := f(ctx, slices.Clone(keys))
		r = reply[V]{values: make([]V, len(keys)), ok: make([]bool, len(keys)), unasked: len(values)}
		for i, key := range keys {
			if r.values[i], r.ok[i] = values[key]; r.ok[i] {
				r.unasked--
			}
		}
		return r, err
	}}
}

// NoContext adapts a source that takes no context. It can't be told to stop: at
// the method timeout it is left to run. Functions that are made of adapted sources
// are all called after the adapter: give them names with config.Name.
func NoContext[A, V any](f func(arg A) (V, error)) func(context.Context, A) (V, error) {
	if f == nil {
		return nil
	}
	return func(_ context.Context, arg A) (V, error) { return f(arg) }
}

// NoError adapts a source that can't fail. See NoContext for the name.
func NoError[A, V any](f func(ctx context.Context, arg A) V) func(context.Context, A) (V, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, arg A) (V, error) { return f(ctx, arg), nil }
}

// Pure adapts a source that takes no context and can't fail: a computation. See
// NoContext for the name and the method timeout.
func Pure[A, V any](f func(arg A) V) func(context.Context, A) (V, error) {
	if f == nil {
		return nil
	}
	return func(_ context.Context, arg A) (V, error) { return f(arg), nil }
}

// errIfNil says that there is nothing to memoize.
func errIfNil(isNil bool, constructor string) error {
	if !isNil {
		return nil
	}
	return fmt.Errorf("memoize: %s is given a nil function: give it the function to memoize", constructor)
}
