// Package module has what the packages of this module show to one another alone:
// nobody else can name its types, and so call what takes them.
package module

import "context"

// Only is a parameter of methods that are for this module's own packages.
type Only struct{}

// Identity is a config.KeyExtractor whose keys are the arguments.
type Identity interface{ KeysAreArguments(Only) }

// Unchanging is a config.Postprocessing that changes nothing.
type Unchanging interface{ ChangesNothing(Only) }

// Unbounded is an eviction.Strategy that never releases anything and need not be told
// what is held.
type Unbounded interface{ ReleasesNothing(Only) }

// Scoped is a key within a scope.
type Scoped interface{ InScope(Only) string }

// Watcher is how a function takes part in a change of its configuration. Prepare is
// called with the settings to come, one change at a time; either Commit or Abort
// follows, Commit after the settings are in force, or when others that came after them
// are. Prepare must not call back into the configuration.
type Watcher[S any] struct {
	Prepare func(next *S) (Change, error)
}

// Change is a prepared change.
type Change struct{ Commit, Abort func() }

// Target is the function that an invalidation.Support invalidates.
type Target[A any] interface {
	Invalidate(ctx context.Context, arg A) error
	InvalidateAll(ctx context.Context) error
	InvalidateTag(ctx context.Context, tag string) error
	Name() string
}
