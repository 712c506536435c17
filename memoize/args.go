package memoize

import (
	"context"
	"io"
	"slices"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
)

// None is the argument of a function that takes none.
type None = struct{}

// Args2 is two arguments as one key.
type Args2[A, B comparable] struct {
	A A
	B B
}

// Args3 is three arguments as one key.
type Args3[A, B, C comparable] struct {
	A A
	B B
	C C
}

// Func0 is a memoized function without an argument. Its methods are those of Func, but
// for those that take many arguments.
type Func0[V any] struct{ Args *Func[None, V] }

// Func2 is a memoized function of two arguments. Its methods are those of Func.
type Func2[A, B comparable, V any] struct{ Args *Func[Args2[A, B], V] }

// Func3 is a memoized function of three arguments. Its methods are those of Func.
type Func3[A, B, C comparable, V any] struct{ Args *Func[Args3[A, B, C], V] }

// New0 memoizes a function without an argument, such as one that fetches a
// token. See New.
func New0[V any](source func(ctx context.Context) (V, error), opts ...config.Option) (*Func0[V], error) {
	f := func(ctx context.Context, _ None) (V, error) { return source(ctx) }
	args, err := build(single(f), source, config.Identity[None](), opts, errIfNil(source == nil, "New0"))
	if err != nil {
		return nil, err
	}
	return &Func0[V]{args}, nil
}

// New2 memoizes a function of two arguments, which together are its key. See
// New.
func New2[A, B comparable, V any](source func(ctx context.Context, a A, b B) (V, error), opts ...config.Option) (*Func2[A, B, V], error) {
	f := func(ctx context.Context, args Args2[A, B]) (V, error) { return source(ctx, args.A, args.B) }
	args, err := build(single(f), source, config.Identity[Args2[A, B]](), opts, errIfNil(source == nil, "New2"))
	if err != nil {
		return nil, err
	}
	return &Func2[A, B, V]{args}, nil
}

// New3 memoizes a function of three arguments, which together are its key. See
// New.
func New3[A, B, C comparable, V any](source func(ctx context.Context, a A, b B, c C) (V, error), opts ...config.Option) (*Func3[A, B, C, V], error) {
	f := func(ctx context.Context, args Args3[A, B, C]) (V, error) { return source(ctx, args.A, args.B, args.C) }
	args, err := build(single(f), source, config.Identity[Args3[A, B, C]](), opts, errIfNil(source == nil, "New3"))
	if err != nil {
		return nil, err
	}
	return &Func3[A, B, C, V]{args}, nil
}

// Memoize0 is New0 under a configuration object. See Memoize.
func Memoize0[K comparable, V any](source func(ctx context.Context) (V, error), c config.CacheConfiguration[None, K, V], opts ...config.Option) (*Func0[V], error) {
	f := func(ctx context.Context, _ None) (V, error) { return source(ctx) }
	args, err := configured(single(f), source, c, opts, errIfNil(source == nil, "Memoize0"))
	if err != nil {
		return nil, err
	}
	return &Func0[V]{args}, nil
}

// Memoize2 is New2 under a configuration object, such as config.InMemory of an Args2.
// See Memoize.
func Memoize2[A, B comparable, K comparable, V any](source func(ctx context.Context, a A, b B) (V, error), c config.CacheConfiguration[Args2[A, B], K, V], opts ...config.Option) (*Func2[A, B, V], error) {
	f := func(ctx context.Context, args Args2[A, B]) (V, error) { return source(ctx, args.A, args.B) }
	args, err := configured(single(f), source, c, opts, errIfNil(source == nil, "Memoize2"))
	if err != nil {
		return nil, err
	}
	return &Func2[A, B, V]{args}, nil
}

// Memoize3 is New3 under a configuration object, such as config.InMemory of an Args3.
// See Memoize.
func Memoize3[A, B, C comparable, K comparable, V any](source func(ctx context.Context, a A, b B, c C) (V, error), c config.CacheConfiguration[Args3[A, B, C], K, V], opts ...config.Option) (*Func3[A, B, C, V], error) {
	f := func(ctx context.Context, args Args3[A, B, C]) (V, error) { return source(ctx, args.A, args.B, args.C) }
	args, err := configured(single(f), source, c, opts, errIfNil(source == nil, "Memoize3"))
	if err != nil {
		return nil, err
	}
	return &Func3[A, B, C, V]{args}, nil
}

// Call is Func.Call.
func (f *Func0[V]) Call(ctx context.Context) (V, error) { return f.Args.Call(ctx, None{}) }

// Refresh is Func.Refresh.
func (f *Func0[V]) Refresh(ctx context.Context) (V, error) { return f.Args.Refresh(ctx, None{}) }

// Invalidate is Func.Invalidate.
func (f *Func0[V]) Invalidate(ctx context.Context) error { return f.Args.Invalidate(ctx, None{}) }

// Peek is Func.Peek.
func (f *Func0[V]) Peek(ctx context.Context) (V, bool) { return f.Args.Peek(ctx, None{}) }

// Set is Func.Set.
func (f *Func0[V]) Set(ctx context.Context, value V) error { return f.Args.Set(ctx, None{}, value) }

// Name is Func.Name.
func (f *Func0[V]) Name() string { return f.Args.Name() }

// Stats is Func.Stats.
func (f *Func0[V]) Stats() Stats { return f.Args.Stats() }

// InvalidateTag is Func.InvalidateTag.
func (f *Func0[V]) InvalidateTag(ctx context.Context, tag string) error {
	return f.Args.InvalidateTag(ctx, tag)
}

// InvalidateScope is Func.InvalidateScope.
func (f *Func0[V]) InvalidateScope(ctx context.Context, scope string) error {
	return f.Args.InvalidateScope(ctx, scope)
}

// InvalidateAll is Func.InvalidateAll.
func (f *Func0[V]) InvalidateAll(ctx context.Context) error { return f.Args.InvalidateAll(ctx) }

// Close is Func.Close.
func (f *Func0[V]) Close(ctx context.Context) error { return f.Args.Close(ctx) }

// Result is Func.Result.
func (f *Func0[V]) Result(ctx context.Context) (Result[V], error) {
	return f.Args.Result(ctx, None{})
}

// SetFor is Func.SetFor.
func (f *Func0[V]) SetFor(ctx context.Context, value V, life entry.Life) error {
	return f.Args.SetFor(ctx, None{}, value, life)
}

// Update is Func.Update.
func (f *Func0[V]) Update(ctx context.Context, change func(old V, ok bool) (V, error)) (V, error) {
	return f.Args.Update(ctx, None{}, change)
}

// Direct is Func.Direct.
func (f *Func0[V]) Direct(ctx context.Context) (V, error) {
	return f.Args.Direct(ctx, None{})
}

// Has is Func.Has.
func (f *Func0[V]) Has(ctx context.Context) bool {
	return f.Args.Has(ctx, None{})
}

// Touch is Func.Touch.
func (f *Func0[V]) Touch(ctx context.Context) (bool, error) {
	return f.Args.Touch(ctx, None{})
}

// Key is Func.Key.
func (f *Func0[V]) Key() (string, error) {
	return f.Args.Key(None{})
}

// Len is Func.Len.
func (f *Func0[V]) Len() int {
	return f.Args.Len()
}

// Warm loads the value if it is not stored: see Func.Warm.
func (f *Func0[V]) Warm(ctx context.Context) error {
	return f.Args.Warm(ctx, slices.Values([]None{{}}))
}

// Wait is Func.Wait.
func (f *Func0[V]) Wait(ctx context.Context) error {
	return f.Args.Wait(ctx)
}

// Save is Func.Save.
func (f *Func0[V]) Save(ctx context.Context, w io.Writer, opts ...SnapshotOption) (n int, err error) {
	return f.Args.Save(ctx, w, opts...)
}

// SaveFile is Func.SaveFile.
func (f *Func0[V]) SaveFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.Args.SaveFile(ctx, path, opts...)
}

// Restore is Func.Restore.
func (f *Func0[V]) Restore(ctx context.Context, r io.Reader, opts ...SnapshotOption) (n int, err error) {
	return f.Args.Restore(ctx, r, opts...)
}

// RestoreFile is Func.RestoreFile.
func (f *Func0[V]) RestoreFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.Args.RestoreFile(ctx, path, opts...)
}

// Call is Func.Call.
func (f *Func2[A, B, V]) Call(ctx context.Context, a A, b B) (V, error) {
	return f.Args.Call(ctx, Args2[A, B]{a, b})
}

// Refresh is Func.Refresh.
func (f *Func2[A, B, V]) Refresh(ctx context.Context, a A, b B) (V, error) {
	return f.Args.Refresh(ctx, Args2[A, B]{a, b})
}

// Invalidate is Func.Invalidate.
func (f *Func2[A, B, V]) Invalidate(ctx context.Context, a A, b B) error {
	return f.Args.Invalidate(ctx, Args2[A, B]{a, b})
}

// Peek is Func.Peek.
func (f *Func2[A, B, V]) Peek(ctx context.Context, a A, b B) (V, bool) {
	return f.Args.Peek(ctx, Args2[A, B]{a, b})
}

// Set is Func.Set.
func (f *Func2[A, B, V]) Set(ctx context.Context, a A, b B, value V) error {
	return f.Args.Set(ctx, Args2[A, B]{a, b}, value)
}

// Name is Func.Name.
func (f *Func2[A, B, V]) Name() string { return f.Args.Name() }

// Stats is Func.Stats.
func (f *Func2[A, B, V]) Stats() Stats { return f.Args.Stats() }

// InvalidateTag is Func.InvalidateTag.
func (f *Func2[A, B, V]) InvalidateTag(ctx context.Context, tag string) error {
	return f.Args.InvalidateTag(ctx, tag)
}

// InvalidateScope is Func.InvalidateScope.
func (f *Func2[A, B, V]) InvalidateScope(ctx context.Context, scope string) error {
	return f.Args.InvalidateScope(ctx, scope)
}

// InvalidateAll is Func.InvalidateAll.
func (f *Func2[A, B, V]) InvalidateAll(ctx context.Context) error { return f.Args.InvalidateAll(ctx) }

// Close is Func.Close.
func (f *Func2[A, B, V]) Close(ctx context.Context) error { return f.Args.Close(ctx) }

// Result is Func.Result.
func (f *Func2[A, B, V]) Result(ctx context.Context, a A, b B) (Result[V], error) {
	return f.Args.Result(ctx, Args2[A, B]{a, b})
}

// SetFor is Func.SetFor.
func (f *Func2[A, B, V]) SetFor(ctx context.Context, a A, b B, value V, life entry.Life) error {
	return f.Args.SetFor(ctx, Args2[A, B]{a, b}, value, life)
}

// Update is Func.Update.
func (f *Func2[A, B, V]) Update(ctx context.Context, a A, b B, change func(old V, ok bool) (V, error)) (V, error) {
	return f.Args.Update(ctx, Args2[A, B]{a, b}, change)
}

// Direct is Func.Direct.
func (f *Func2[A, B, V]) Direct(ctx context.Context, a A, b B) (V, error) {
	return f.Args.Direct(ctx, Args2[A, B]{a, b})
}

// Has is Func.Has.
func (f *Func2[A, B, V]) Has(ctx context.Context, a A, b B) bool {
	return f.Args.Has(ctx, Args2[A, B]{a, b})
}

// Touch is Func.Touch.
func (f *Func2[A, B, V]) Touch(ctx context.Context, a A, b B) (bool, error) {
	return f.Args.Touch(ctx, Args2[A, B]{a, b})
}

// Key is Func.Key.
func (f *Func2[A, B, V]) Key(a A, b B) (string, error) {
	return f.Args.Key(Args2[A, B]{a, b})
}

// CallMany is Func.CallMany.
func (f *Func2[A, B, V]) CallMany(ctx context.Context, args []Args2[A, B]) ([]V, error) {
	return f.Args.CallMany(ctx, args)
}

// RefreshMany is Func.RefreshMany.
func (f *Func2[A, B, V]) RefreshMany(ctx context.Context, args []Args2[A, B]) ([]V, error) {
	return f.Args.RefreshMany(ctx, args)
}

// PeekMany is Func.PeekMany.
func (f *Func2[A, B, V]) PeekMany(ctx context.Context, args []Args2[A, B]) ([]V, []bool) {
	return f.Args.PeekMany(ctx, args)
}

// SetMany is Func.SetMany.
func (f *Func2[A, B, V]) SetMany(ctx context.Context, args []Args2[A, B], values []V) error {
	return f.Args.SetMany(ctx, args, values)
}

// HasMany is Func.HasMany.
func (f *Func2[A, B, V]) HasMany(ctx context.Context, args []Args2[A, B]) []bool {
	return f.Args.HasMany(ctx, args)
}

// TouchMany is Func.TouchMany.
func (f *Func2[A, B, V]) TouchMany(ctx context.Context, args []Args2[A, B]) ([]bool, error) {
	return f.Args.TouchMany(ctx, args)
}

// InvalidateMany is Func.InvalidateMany.
func (f *Func2[A, B, V]) InvalidateMany(ctx context.Context, args []Args2[A, B]) error {
	return f.Args.InvalidateMany(ctx, args)
}

// Len is Func.Len.
func (f *Func2[A, B, V]) Len() int {
	return f.Args.Len()
}

// Wait is Func.Wait.
func (f *Func2[A, B, V]) Wait(ctx context.Context) error {
	return f.Args.Wait(ctx)
}

// Save is Func.Save.
func (f *Func2[A, B, V]) Save(ctx context.Context, w io.Writer, opts ...SnapshotOption) (n int, err error) {
	return f.Args.Save(ctx, w, opts...)
}

// SaveFile is Func.SaveFile.
func (f *Func2[A, B, V]) SaveFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.Args.SaveFile(ctx, path, opts...)
}

// Restore is Func.Restore.
func (f *Func2[A, B, V]) Restore(ctx context.Context, r io.Reader, opts ...SnapshotOption) (n int, err error) {
	return f.Args.Restore(ctx, r, opts...)
}

// RestoreFile is Func.RestoreFile.
func (f *Func2[A, B, V]) RestoreFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.Args.RestoreFile(ctx, path, opts...)
}

// Call is Func.Call.
func (f *Func3[A, B, C, V]) Call(ctx context.Context, a A, b B, c C) (V, error) {
	return f.Args.Call(ctx, Args3[A, B, C]{a, b, c})
}

// Refresh is Func.Refresh.
func (f *Func3[A, B, C, V]) Refresh(ctx context.Context, a A, b B, c C) (V, error) {
	return f.Args.Refresh(ctx, Args3[A, B, C]{a, b, c})
}

// Invalidate is Func.Invalidate.
func (f *Func3[A, B, C, V]) Invalidate(ctx context.Context, a A, b B, c C) error {
	return f.Args.Invalidate(ctx, Args3[A, B, C]{a, b, c})
}

// Peek is Func.Peek.
func (f *Func3[A, B, C, V]) Peek(ctx context.Context, a A, b B, c C) (V, bool) {
	return f.Args.Peek(ctx, Args3[A, B, C]{a, b, c})
}

// Set is Func.Set.
func (f *Func3[A, B, C, V]) Set(ctx context.Context, a A, b B, c C, value V) error {
	return f.Args.Set(ctx, Args3[A, B, C]{a, b, c}, value)
}

// Name is Func.Name.
func (f *Func3[A, B, C, V]) Name() string { return f.Args.Name() }

// Stats is Func.Stats.
func (f *Func3[A, B, C, V]) Stats() Stats { return f.Args.Stats() }

// InvalidateTag is Func.InvalidateTag.
func (f *Func3[A, B, C, V]) InvalidateTag(ctx context.Context, tag string) error {
	return f.Args.InvalidateTag(ctx, tag)
}

// InvalidateScope is Func.InvalidateScope.
func (f *Func3[A, B, C, V]) InvalidateScope(ctx context.Context, scope string) error {
	return f.Args.InvalidateScope(ctx, scope)
}

// InvalidateAll is Func.InvalidateAll.
func (f *Func3[A, B, C, V]) InvalidateAll(ctx context.Context) error {
	return f.Args.InvalidateAll(ctx)
}

// Close is Func.Close.
func (f *Func3[A, B, C, V]) Close(ctx context.Context) error { return f.Args.Close(ctx) }

// Result is Func.Result.
func (f *Func3[A, B, C, V]) Result(ctx context.Context, a A, b B, c C) (Result[V], error) {
	return f.Args.Result(ctx, Args3[A, B, C]{a, b, c})
}

// SetFor is Func.SetFor.
func (f *Func3[A, B, C, V]) SetFor(ctx context.Context, a A, b B, c C, value V, life entry.Life) error {
	return f.Args.SetFor(ctx, Args3[A, B, C]{a, b, c}, value, life)
}

// Update is Func.Update.
func (f *Func3[A, B, C, V]) Update(ctx context.Context, a A, b B, c C, change func(old V, ok bool) (V, error)) (V, error) {
	return f.Args.Update(ctx, Args3[A, B, C]{a, b, c}, change)
}

// Direct is Func.Direct.
func (f *Func3[A, B, C, V]) Direct(ctx context.Context, a A, b B, c C) (V, error) {
	return f.Args.Direct(ctx, Args3[A, B, C]{a, b, c})
}

// Has is Func.Has.
func (f *Func3[A, B, C, V]) Has(ctx context.Context, a A, b B, c C) bool {
	return f.Args.Has(ctx, Args3[A, B, C]{a, b, c})
}

// Touch is Func.Touch.
func (f *Func3[A, B, C, V]) Touch(ctx context.Context, a A, b B, c C) (bool, error) {
	return f.Args.Touch(ctx, Args3[A, B, C]{a, b, c})
}

// Key is Func.Key.
func (f *Func3[A, B, C, V]) Key(a A, b B, c C) (string, error) {
	return f.Args.Key(Args3[A, B, C]{a, b, c})
}

// CallMany is Func.CallMany.
func (f *Func3[A, B, C, V]) CallMany(ctx context.Context, args []Args3[A, B, C]) ([]V, error) {
	return f.Args.CallMany(ctx, args)
}

// RefreshMany is Func.RefreshMany.
func (f *Func3[A, B, C, V]) RefreshMany(ctx context.Context, args []Args3[A, B, C]) ([]V, error) {
	return f.Args.RefreshMany(ctx, args)
}

// PeekMany is Func.PeekMany.
func (f *Func3[A, B, C, V]) PeekMany(ctx context.Context, args []Args3[A, B, C]) ([]V, []bool) {
	return f.Args.PeekMany(ctx, args)
}

// SetMany is Func.SetMany.
func (f *Func3[A, B, C, V]) SetMany(ctx context.Context, args []Args3[A, B, C], values []V) error {
	return f.Args.SetMany(ctx, args, values)
}

// HasMany is Func.HasMany.
func (f *Func3[A, B, C, V]) HasMany(ctx context.Context, args []Args3[A, B, C]) []bool {
	return f.Args.HasMany(ctx, args)
}

// TouchMany is Func.TouchMany.
func (f *Func3[A, B, C, V]) TouchMany(ctx context.Context, args []Args3[A, B, C]) ([]bool, error) {
	return f.Args.TouchMany(ctx, args)
}

// InvalidateMany is Func.InvalidateMany.
func (f *Func3[A, B, C, V]) InvalidateMany(ctx context.Context, args []Args3[A, B, C]) error {
	return f.Args.InvalidateMany(ctx, args)
}

// Len is Func.Len.
func (f *Func3[A, B, C, V]) Len() int {
	return f.Args.Len()
}

// Wait is Func.Wait.
func (f *Func3[A, B, C, V]) Wait(ctx context.Context) error {
	return f.Args.Wait(ctx)
}

// Save is Func.Save.
func (f *Func3[A, B, C, V]) Save(ctx context.Context, w io.Writer, opts ...SnapshotOption) (n int, err error) {
	return f.Args.Save(ctx, w, opts...)
}

// SaveFile is Func.SaveFile.
func (f *Func3[A, B, C, V]) SaveFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.Args.SaveFile(ctx, path, opts...)
}

// Restore is Func.Restore.
func (f *Func3[A, B, C, V]) Restore(ctx context.Context, r io.Reader, opts ...SnapshotOption) (n int, err error) {
	return f.Args.Restore(ctx, r, opts...)
}

// RestoreFile is Func.RestoreFile.
func (f *Func3[A, B, C, V]) RestoreFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.Args.RestoreFile(ctx, path, opts...)
}

// The functions of every shape are Handles.
var (
	_ Handle = (*Func[int, int])(nil)
	_ Handle = (*Func0[int])(nil)
	_ Handle = (*Func2[int, int, int])(nil)
	_ Handle = (*Func3[int, int, int, int])(nil)
)
