package memoize

import (
	"context"
	"io"
	"iter"
	"reflect"
	"weak"

	"github.com/perennial-go/perennial/entry"
)

// Func is a memoized function: A is the type of its argument, V of its value.
// Its methods may be called concurrently. Make one with New and its siblings.
type Func[A, V any] struct{ verbs verbs[A, V] }

// verbs is an engine, whatever the type of its keys.
type verbs[A, V any] interface {
	call(ctx context.Context, arg A, force bool, full *Result[V]) (V, error)
	result(ctx context.Context, arg A) (Result[V], error)
	directCall(ctx context.Context, arg A) (V, error)
	callMany(ctx context.Context, args []A, force bool) ([]V, error)
	peekValue(ctx context.Context, arg A) (V, bool)
	has(ctx context.Context, arg A) bool
	peekMany(ctx context.Context, args []A, want bool) ([]V, []bool)
	edits() editing[A, V]
	all() (any, error)
	invalidate(ctx context.Context, arg A) error
	invalidateAll(ctx context.Context) error
	invalidateTag(ctx context.Context, tag string) error
	invalidateScope(ctx context.Context, scope string) error
	keyType() reflect.Type
	keyText(ctx context.Context, arg A) (string, error)
	length() int
	stats() Stats
	title() string
	waitLoads(ctx context.Context) error
	warm(ctx context.Context, args iter.Seq[A]) error
	saver() saver
	each(n int, change func(i int) error) error
	close(ctx context.Context) error
}

// saver saves and restores what a function holds.
type saver interface {
	save(ctx context.Context, w io.Writer, opts []SnapshotOption) (int, error)
	saveFile(ctx context.Context, path string, opts []SnapshotOption) (int, error)
	restore(ctx context.Context, r io.Reader, opts []SnapshotOption) (int, error)
	restoreFile(ctx context.Context, path string, opts []SnapshotOption) (int, error)
}

// Call returns the function's value for arg: at once if it is stored and has
// not expired, else from a load that everybody who asks meanwhile waits for. If
// the stored value is stale, a refresh runs in the background. A call that does
// not wait does not look at its context; one that waits leaves when its context
// ends, with the context's error, and the load runs on for the others.
//
// A failed load is a *LoadError, unless the function has config.PlainErrors. An error
// that config.Remember or config.Gone names is no failure, and comes as it is.
// The other errors are ErrNotConfigured, ErrClosed, ErrKey, ErrRecursion, with
// config.FailOnStoreError ErrUnavailable and, for a postprocessing or a strategy
// that panics, one that wraps a *PanicError.
func (f *Func[A, V]) Call(ctx context.Context, arg A) (V, error) {
	return f.verbs.call(ctx, arg, false, nil)
}

// Result is Call plus the value's age and where it came from.
func (f *Func[A, V]) Result(ctx context.Context, arg A) (Result[V], error) {
	return f.verbs.result(ctx, arg)
}

// Refresh loads a new value, whatever is stored, and waits for it. If a load of
// the key runs already, which may have seen an older state of the world, it
// waits for the next one, which all who ask meanwhile share. If it fails, what
// is stored stays; so it does where the source returns NoStore: the new value is
// returned, and the next Call gets the older one. Errors are those of Call.
func (f *Func[A, V]) Refresh(ctx context.Context, arg A) (V, error) {
	return f.verbs.call(ctx, arg, true, nil)
}

// Direct asks the source past the cache: nothing is looked up, joined or
// stored. The method timeout and the limit of runaway loads hold, and a panic
// is an error. The source's context ends with the caller's.
func (f *Func[A, V]) Direct(ctx context.Context, arg A) (V, error) {
	return f.verbs.directCall(ctx, arg)
}

// Invalidate makes the function forget its value for arg. A call that begins
// after it has returned never gets a value whose load began before it. Those
// who wait for a load get its result, which is not stored.
//
// It waits for a store that is under way, up to the end of its context; with an
// error from that, the value may still be served. ErrUnavailable says that the
// storage could not be reached: then this process does not serve what it holds.
func (f *Func[A, V]) Invalidate(ctx context.Context, arg A) error {
	return f.verbs.invalidate(ctx, arg)
}

// InvalidateAll makes the function forget every value, as Invalidate does for
// one. With a storage that can neither list nor clear its entries it returns
// ErrUnsupported.
func (f *Func[A, V]) InvalidateAll(ctx context.Context) error { return f.verbs.invalidateAll(ctx) }

// Peek returns the value that Call would return at once, fresh or stale, and
// whether there is one; false also where Call would return an error of its own,
// such as ErrClosed or ErrKey, or the function is bypassed. It loads nothing, starts no
// refresh, is not counted and makes no difference to eviction.
func (f *Func[A, V]) Peek(ctx context.Context, arg A) (V, bool) { return f.verbs.peekValue(ctx, arg) }

// Has tells whether Peek would find a value.
func (f *Func[A, V]) Has(ctx context.Context, arg A) bool { return f.verbs.has(ctx, arg) }

// Set stores a value as if the source had returned it now. A load that runs is
// superseded, so that it can't replace the value; whoever calls meanwhile gets
// the value, and so does who waits already, as soon as it is stored. A Refresh whose
// load has not begun yet still gets what that brings. The errors are ErrUnavailable if
// the storage failed, and the context's: under one that has ended nothing is stored.
func (f *Func[A, V]) Set(ctx context.Context, arg A, value V) error {
	return f.verbs.edits().set(ctx, arg, value, nil)
}

// SetFor is Set with a life for this value alone, in place of the one that the function
// would give it, jitter included. A Touch, and a load that replaces the value, give it the
// function's again. A life that Validate refuses is an error, and nothing is stored.
func (f *Func[A, V]) SetFor(ctx context.Context, arg A, value V, life entry.Life) error {
	return f.verbs.edits().set(ctx, arg, value, &life)
}

// Update changes the value that is stored for arg in one step, and returns the new one.
// change is given what Peek would find, before it is postprocessed, and returns what is to
// be stored in its place; what old points to is shared, so it returns a new value instead
// of changing that. Nothing else that changes the key comes in between: Updates of a key
// take turns, and where a Set, an Invalidate, a load or anything else has changed it while
// change ran, change is called again with what is there then, until ctx ends. A load that
// began before is superseded, so that it can't replace the new value.
//
// change runs on the caller's goroutine, with no lock held: calls are served, and others
// may change the key, meanwhile. It may call the function, and change other keys. To
// change its own key from there is ErrRecursion, and so is a Refresh of it.
//
// If change returns an error or panics nothing has changed, and the error wraps its own. The
// others are those of Set.
//
// Over a store that processes share (config.Store) the same holds across processes, if it
// can compare and swap (storage.SwapperBytes; else ErrUnsupported). change has the method
// timeout there. If the store does not say whether it has stored the new value, the error
// says so and matches ErrUnavailable: look at the value before you update it again.
func (f *Func[A, V]) Update(ctx context.Context, arg A, change func(old V, ok bool) (V, error)) (V, error) {
	return f.verbs.edits().update(ctx, arg, change)
}

// Touch says that the stored value is still true: it gets a new life from now
// on, and keeps its age. It is false where nothing is stored or what is has
// expired.
func (f *Func[A, V]) Touch(ctx context.Context, arg A) (bool, error) {
	return f.verbs.edits().touch(ctx, arg)
}

// Key is a text for arg that means the same in every process: the function's
// name, the schema of its values (0 without config.Schema) and the key. Over
// config.Store it is the key in the store, its prefix first, and a long key is a
// hash. Two arguments
// have the same text exactly when they have the same key. Keys that contain a NaN, a
// pointer or a channel have none: ErrKey. A function with a scope by context
// has its key for a context without one, if that is allowed.
func (f *Func[A, V]) Key(arg A) (string, error) {
	return f.verbs.keyText(context.Background(), arg)
}

// Name is what the function is called in events, logs and errors.
func (f *Func[A, V]) Name() string { return f.verbs.title() }

// Len is how many entries the storage holds, expired ones that have not been
// dropped yet among them, or -1 if it can't tell.
func (f *Func[A, V]) Len() int { return f.verbs.length() }

// Stats counts what happened so far.
func (f *Func[A, V]) Stats() Stats { return f.verbs.stats() }

// Wait waits until the loads that run now, in the background too, have ended
// or exceeded the method timeout. Inside a load it does not wait for that one.
// The error is the context's.
func (f *Func[A, V]) Wait(ctx context.Context) error { return f.verbs.waitLoads(ctx) }

// Close makes calls that begin from now on fail with ErrClosed, but for Invalidate and
// InvalidateAll over a store, which others may use, and waits for
// the loads that run, also for those that were given up at the method timeout:
// give its context a deadline. If its context ends first, it cancels them and returns a
// *CloseError that says how many still run. A storage that was handed in stays
// open. Close may be called again, to wait again.
func (f *Func[A, V]) Close(ctx context.Context) error { return f.verbs.close(ctx) }

// Handle is what every memoized function has, whatever its types: what a
// service keeps in a list.
type Handle interface {
	Name() string
	Stats() Stats
	InvalidateAll(ctx context.Context) error
	Close(ctx context.Context) error
}

// Verbs of the engine that only differ in what they return.

func (e *engine[A, K, V]) directCall(ctx context.Context, arg A) (V, error) {
	p, err := e.changes.snapshot()
	if err != nil {
		var none V
		return none, e.refused(err)
	}
	return e.callDirect(ctx, p, arg, nil)
}

func (e *engine[A, K, V]) title() string { return e.name }

func (e *engine[A, K, V]) edits() editing[A, V] { return &e.editor }

func (e *engine[A, K, V]) saver() saver { return &e.snapshots }

// handle is an engine as an invalidation.Target. It does not keep a function
// alive that nobody uses any more: there is nothing left to invalidate then.
type handle[A any, K comparable, V any] struct {
	name string
	self weak.Pointer[engine[A, K, V]]
}

func (h handle[A, K, V]) Name() string { return h.name }

func (h handle[A, K, V]) Invalidate(ctx context.Context, arg A) error {
	if e := h.self.Value(); e != nil {
		return e.invalidate(ctx, arg)
	}
	return ErrClosed
}

func (h handle[A, K, V]) InvalidateTag(ctx context.Context, tag string) error {
	if e := h.self.Value(); e != nil {
		return e.invalidateTag(ctx, tag)
	}
	return ErrClosed
}

func (h handle[A, K, V]) InvalidateAll(ctx context.Context) error {
	if e := h.self.Value(); e != nil {
		return e.invalidateAll(ctx)
	}
	return ErrClosed
}
