package memoize

import (
	"context"
	"errors"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/wiring"
)

// New memoizes a function of one argument, which is its key. A comparable type
// that contains a pointer, a channel or a time.Time, or an interface that does
// when it is called, is no key: use NewKeyed, or config.IdentityKeys.
//
// For functions of another shape, where New says "cannot infer A and V":
//
//	func(ctx) (V, error)                  New0
//	func(ctx, A, B) (V, error)            New2
//	func(ctx, A, B, C) (V, error)         New3; of more make a struct, and take New
//	func(ctx, []K) (map[K]V, error)       NewBatched
//	func(A) (V, error)                    New(NoContext(f))
//	func(ctx, A) V                        New(NoError(f))
//	func(A) V                             New(Pure(f))
//	an argument that is no key            NewKeyed, with a function that makes one
//	a value for each tenant               NewScoped, NewBatchedScoped
//	a configuration that changes          Memoize, Memoize0 to Memoize3, MemoizeBatched
//
// By default a value is served for 30 minutes and refreshed after 10, 4096 of them
// are kept, and a load may take 2 minutes; values are shared, not copied. A function
// that nobody uses any more is collected; Close is for waiting until loads have
// ended. The source sees the values of the context of the call that has led to its
// load, and what it returns is given to everybody: what belongs to one caller alone, as a
// transaction or a user, must not decide it. See config.ContextValues.
//
// What is to be changed while the function is used takes a configuration
// object: see Memoize.
//
// Everything that is wrong with the function or the options is reported at once.
func New[A comparable, V any](source func(ctx context.Context, arg A) (V, error), opts ...config.Option) (*Func[A, V], error) {
	return build(single(source), source, config.Identity[A](), opts, errIfNil(source == nil, "New"))
}

// NewKeyed memoizes a function whose argument is no key itself: key makes one
// of it. Arguments with equal keys share a value; the source is given the
// argument of the call that led to the load.
//
// A load may read its argument after the call has returned: a background refresh that a
// stale hit has started does, and so does a load whose caller has left. An argument that
// is changed then, as one that goes back to a pool, would have the value of one key
// stored under another. Give Call a copy that nobody changes, or make A a type that is
// copied as it is passed, such as a struct without pointers, slices and maps.
func NewKeyed[A any, K comparable, V any](source func(ctx context.Context, arg A) (V, error), key func(arg A) K, opts ...config.Option) (*Func[A, V], error) {
	if key == nil {
		return nil, errors.New("memoize: NewKeyed is given a nil key function: give it one that makes a key of an argument")
	}
	return build(single(source), source, config.KeyOf(key), opts, errIfNil(source == nil, "NewKeyed"))
}

// NewBatched memoizes a source that takes many keys at once. Call is a batch of one, or,
// with config.Gather, of all calls that come together; CallMany asks for all keys that are
// not stored or being loaded already, in batches of at most config.MaxBatch. A key that the
// source leaves out fails with ErrNoValue; if the source returns a map and an error, the
// keys in the map have succeeded and the rest have failed with the error.
func NewBatched[K comparable, V any](source func(ctx context.Context, keys []K) (map[K]V, error), opts ...config.Option) (*Func[K, V], error) {
	return build(batchOf(source), source, config.Identity[K](), opts, errIfNil(source == nil, "NewBatched"))
}

// NewScoped memoizes a function within scopes, such as tenants: scope names the one
// that a call's context is in, and calls in different scopes never share a value.
// scope is called by every call, on its goroutine; its error fails the call. The
// capacity is that of all scopes together.
//
// Keys are of the type config.Scoped[A], which typed parts among the options have
// to fit. NewBatchedScoped is for a source that takes many keys; a function of another
// shape, or one whose configuration changes, gets scopes by config.ScopedKeys in its
// configuration object.
func NewScoped[A comparable, V any](source func(ctx context.Context, arg A) (V, error), scope func(ctx context.Context) (string, error), opts ...config.Option) (*Func[A, V], error) {
	if scope == nil {
		return nil, errors.New("memoize: NewScoped is given a nil scope, and values would be shared by all: give it a function that names a call's scope, or use New")
	}
	return build(single(source), source, config.ScopedKeys(config.Identity[A](), scope), opts, errIfNil(source == nil, "NewScoped"))
}

// NewBatchedScoped is NewBatched within scopes, as NewScoped has them: all the keys of a
// call are in the scope of its context.
func NewBatchedScoped[K comparable, V any](source func(ctx context.Context, keys []K) (map[K]V, error), scope func(ctx context.Context) (string, error), opts ...config.Option) (*Func[K, V], error) {
	if scope == nil {
		return nil, errors.New("memoize: NewBatchedScoped is given a nil scope, and values would be shared by all: give it a function that names a call's scope, or use NewBatched")
	}
	return build(batchOf(source), source, config.ScopedKeys(config.Identity[K](), scope), opts, errIfNil(source == nil, "NewBatchedScoped"))
}

// Memoize memoizes a function under a configuration object, which may be changed
// while the function is used. Options concern the function itself, such as
// config.Name; what belongs to a configuration is refused.
func Memoize[A any, K comparable, V any](source func(ctx context.Context, arg A) (V, error), c config.CacheConfiguration[A, K, V], opts ...config.Option) (*Func[A, V], error) {
	return configured(single(source), source, c, opts, errIfNil(source == nil, "Memoize"))
}

// MemoizeBatched is NewBatched under a configuration object. The keys that the
// source is given are arguments; those of the configuration tell which of them
// share a value, as with config.ScopedKeys.
func MemoizeBatched[A, K comparable, V any](source func(ctx context.Context, args []A) (map[A]V, error), c config.CacheConfiguration[A, K, V], opts ...config.Option) (*Func[A, V], error) {
	return configured(batchOf(source), source, c, opts, errIfNil(source == nil, "MemoizeBatched"))
}

// Must is for functions that are made at package level: it panics with what
// makes err.
func Must[F any](f F, err error) F {
	if err != nil {
		panic(err)
	}
	return f
}

func single[A, V any](f func(context.Context, A) (V, error)) source[A, V] {
	return source[A, V]{one: f}
}

// build makes a function of options.
func build[A any, K comparable, V any](src source[A, V], fn any, keys config.KeyExtractor[A, K], opts []config.Option, nilSource error) (*Func[A, V], error) {
	settings, w, err := config.Split(module.Only{}, opts)
	return assemble(src, fn, config.InMemoryKeyed[A, K, V](keys, settings...), w, nilSource, err)
}

// configured makes a function of a configuration object.
func configured[A any, K comparable, V any](src source[A, V], fn any, c config.CacheConfiguration[A, K, V], opts []config.Option, nilSource error) (*Func[A, V], error) {
	settings, w, err := config.Split(module.Only{}, opts)
	errs := []error{err, nilSource}
	for _, o := range settings {
		errs = append(errs, errors.New("memoize: "+o.String()+" belongs to the configuration: give it to config.InMemory, or to Apply of a config.Mutable"))
	}
	return assemble(src, fn, c, w, errs...)
}

// assemble makes a function, or says everything that is wrong: errs is what was
// found before.
func assemble[A any, K comparable, V any](src source[A, V], fn any, c config.CacheConfiguration[A, K, V], w wiring.Wiring, errs ...error) (*Func[A, V], error) {
	e, err := newEngine(src, fn, c, w, errs)
	if err != nil {
		return nil, err
	}
	return &Func[A, V]{e}, nil
}
