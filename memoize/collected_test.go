package memoize_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// G11: a function that nobody holds is collected, though its values lead back to it,
// and whatever else of its program is held by nothing but itself.
func TestG11AFunctionWhoseValuesHoldItIsCollected(t *testing.T) {
	store, err := storage.Open(t.Context(), "memory://")
	noError(t, err)
	strategy, registry := eviction.LeastRecentlyUpdated[string](10), statuses.NewInMemory[string, *user](0, nil)
	mock := clock.NewMock()
	var support invalidation.Support[string]
	plain := config.Mutable(config.InMemory[string, int]())
	one := func(s *program) func(context.Context, string) (*user, error) {
		return func(context.Context, string) (*user, error) { return &user{of: s}, nil }
	}
	for name, build := range map[string]func(t *testing.T, s *program){
		"New": func(t *testing.T, s *program) { serving(memoize.New(one(s)))(t, s, "a") },
		"refreshed": func(t *testing.T, s *program) {
			serving(memoize.New(one(s), config.UpdateAfter(0)))(t, s, "a")
		},
		"expires": func(t *testing.T, s *program) {
			serving(memoize.New(one(s), config.ExpireAfter(0)))(t, s, "a")
		},
		"New0": func(t *testing.T, s *program) {
			f, err := memoize.New0(func(context.Context) (*user, error) { return &user{of: s}, nil })
			noError(t, err)
			s.users, s.call = f, func(ctx context.Context) error { _, err := f.Call(ctx); return err }
		},
		"New2": func(t *testing.T, s *program) {
			f, err := memoize.New2(func(context.Context, string, string) (*user, error) { return &user{of: s}, nil })
			noError(t, err)
			s.users, s.call = f, func(ctx context.Context) error { _, err := f.Call(ctx, "a", "b"); return err }
		},
		"NewKeyed": func(t *testing.T, s *program) {
			serving(memoize.NewKeyed(func(_ context.Context, s *program) (*user, error) { return &user{of: s}, nil }, func(s *program) *program { return s }, config.IdentityKeys()))(t, s, s)
		},
		"IdentityKeys": func(t *testing.T, s *program) {
			serving(memoize.New(func(_ context.Context, s *program) (*user, error) { return &user{of: s}, nil }, config.IdentityKeys()))(t, s, s)
		},
		"keys that hold anything": func(t *testing.T, s *program) {
			serving(memoize.New(func(_ context.Context, s any) (*user, error) { return &user{of: s.(*program)}, nil }, config.IdentityKeys()))(t, s, any(s))
		},
		"NewScoped": func(t *testing.T, s *program) {
			serving(memoize.NewScoped(one(s), func(context.Context) (string, error) { _ = s.client; return "a", nil }))(t, s, "a")
		},
		"NewBatched": func(t *testing.T, s *program) {
			serving(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]*user, error) {
				return map[string]*user{"a": {of: s}}, nil
			}))(t, s, "a")
		},
		"a live configuration": func(t *testing.T, s *program) {
			live := config.Mutable(config.InMemory[string, *user]())
			f, err := memoize.Memoize(one(s), live)
			noError(t, err)
			serving(f, live.Apply(config.Capacity(5), config.Storage[string, *user](storage.NewInMemory[string, *user]())))(t, s, "a")
		},
		"a live configuration that is kept": func(t *testing.T, s *program) { // its values are its own, and can't lead back
			serving(memoize.Memoize(func(context.Context, string) (int, error) { return s.client, nil }, plain))(t, s, "a")
		},
		"a configuration of its own": func(t *testing.T, s *program) {
			serving(memoize.Memoize(one(s), own{config.InMemory[string, *user]()}))(t, s, "a")
		},
		"its own Support": func(t *testing.T, s *program) {
			serving(memoize.New(one(s), config.InvalidatedBy(&s.support)))(t, s, "a")
		},
		"a Support that is kept": func(t *testing.T, s *program) {
			serving(memoize.New(one(s), config.InvalidatedBy(&support)))(t, s, "a")
		},
		"a strategy that is kept": func(t *testing.T, s *program) {
			serving(memoize.New(one(s), config.Evict(strategy)))(t, s, "a")
		},
		"a registry that is kept": func(t *testing.T, s *program) {
			serving(memoize.New(one(s), config.UpdateStatuses(registry)))(t, s, "a")
		},
		"a clock that is kept": func(t *testing.T, s *program) {
			serving(memoize.New(one(s), config.Clock(mock)))(t, s, "a")
		},
		"a store that is kept": func(t *testing.T, s *program) { // a text can't lead back
			serving(memoize.New(func(context.Context, string) (string, error) { _ = s.client; return "a", nil },
				config.Store(store), config.Name("a"), config.Evict(eviction.LeastRecentlyUsed[string](10))))(t, s, "a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var held weak.Pointer[program]
			func() {
				s := new(program)
				held = weak.Make(s)
				build(t, s)
				noError(t, s.call(t.Context()))
				noError(t, s.call(t.Context()))
				if n := s.users.Stats().LoadsRunning; n > 0 {
					noError(t, s.users.(interface{ Wait(context.Context) error }).Wait(t.Context()))
				}
			}()
			gone(t, func() int {
				if held.Value() != nil {
					return 1
				}
				return 0
			})
		})
	}
	for range 50 { // and its name is free again
		if _, err = memoize.New(func(context.Context, string) (string, error) { return "", nil }, config.Store(store), config.Name("a")); err == nil {
			break
		}
		runtime.GC()
		runtime.Gosched()
	}
	noError(t, err)
	runtime.KeepAlive(store)
	runtime.KeepAlive(strategy)
	runtime.KeepAlive(registry)
	runtime.KeepAlive(mock)
	runtime.KeepAlive(&support)
	runtime.KeepAlive(plain)
}

// serving makes a function that of a program.
func serving[A, V any](f *memoize.Func[A, V], err error) func(t *testing.T, s *program, arg A) {
	return func(t *testing.T, s *program, arg A) {
		t.Helper()
		noError(t, err)
		s.users, s.call = f, func(ctx context.Context) error { _, err := f.Call(ctx, arg); return err }
	}
}

// own is a configuration of a user's own.
type own struct {
	c *config.Fixed[string, string, *user]
}

func (o own) Snapshot() *config.Settings[string, string, *user] { return o.c.Snapshot() }
