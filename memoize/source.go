package memoize

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// source asks for the values of one or many arguments.
type source[A, V any] struct {
	one  func(ctx context.Context, arg A) (V, error)
	many func(ctx context.Context, args []A) (reply[V], error)
	asks func(cause observe.Cause, args []A, find func(i int) findOld[V]) asked[V] // what many may know of its load
}

// reply is what a source that takes many says, in the order of its arguments.
type reply[V any] struct {
	values  []V
	ok      []bool
	errs    []error // of the keys that it has named, nil if it has named none
	unasked int     // values of arguments that it was not given
}

// answer is what the source said of one argument.
type answer[V any] struct {
	value     V
	err       error
	keep      bool            // it may be stored
	unchanged bool            // it is the old value
	shared    bool            // err is that of a whole batch
	none      bool            // err is an answer, of a load past the cache
	judged    bool            // negative says what err is
	negative  *entry.Negative // the answer that err is
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
		case got.errs != nil:
			answers[i].err = got.errs[i]
		case err != nil:
			answers[i] = answer[V]{err: err, shared: true}
		default:
			answers[i].err = ErrNoValue
		}
	}
	return answers, got.unasked
}

// together is how many keys make a load, of so many at most.
func (s source[A, V]) together(most int) int {
	if s.many == nil {
		return 1
	}
	return most
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
	if a.err != nil {
		a.interpret()
	}
	return a
}

// interpret looks for what is no failure among errors.
func (a *answer[V]) interpret() {
	switch err := a.err.(type) {
	case *unchanged[V]:
		a.old(err.old)
	default:
		if err == NoStore {
			a.err = nil
		}
	}
}

// old makes the old value the answer.
func (a *answer[V]) old(value V) { *a = answer[V]{value: value, keep: true, unchanged: true} }

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
	asks := func(cause observe.Cause, keys []K, find func(i int) findOld[V]) asked[V] {
		return &Batch[K, V]{Cause: cause, keys: keys, find: find}
	}
	return source[K, V]{asks: asks, many: func(ctx context.Context, keys []K) (r reply[V], err error) {
		values, err := f(ctx, slices.Clone(keys))
		r = reply[V]{values: make([]V, len(keys)), ok: make([]bool, len(keys)), unasked: len(values)}
		for i, key := range keys {
			if r.values[i], r.ok[i] = values[key]; r.ok[i] {
				r.unasked--
			}
		}
		if errs, named := keyErrors(err, keys); named {
			r.errs, err = errs, nil
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
