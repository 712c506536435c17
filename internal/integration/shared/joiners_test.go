package shared

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// late is a store whose answers to what changes it are long on their way, and
// that can fail.
type late struct {
	*storage.Memory
	claims, fills error
}

const onItsWay = 100 * time.Millisecond

func (l *late) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if l.claims != nil {
		return nil, l.claims
	}
	return l.Memory.Claim(ctx, hold, keys...)
}

func (l *late) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	defer time.Sleep(onItsWay)
	if l.fills != nil {
		return nil, l.fills
	}
	return l.Memory.Fill(ctx, fills...)
}

func (l *late) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	defer time.Sleep(onItsWay)
	return l.Memory.Set(ctx, key, value, keep)
}

// TestG4AcrossProcessesJoinersLookAgain has a call join what its own process does
// to a key, after another process has invalidated the key. What it joins is older
// than the invalidation, whether the store has accepted it or not:
//
//	A  claims ─ loads ─ fills: accepted ──────────────────────── hears of it
//	B                                    invalidates ─ returns
//	A's other call                                             begins ─ joins
func TestG4AcrossProcessesJoinersLookAgain(t *testing.T) {
	away := errors.New("away")
	type function = *memoize.Func[string, string]
	load := func(ctx context.Context, f function) { _, _ = f.Call(ctx, "k") }
	for _, c := range []struct {
		name   string
		store  late
		slow   bool // the load is, and not the store
		begins func(context.Context, function)
	}{
		{name: "a fill that is accepted", begins: load},
		{name: "a fill that fails", store: late{fills: away}, begins: load},
		{name: "a load without a claim", store: late{claims: away}, slow: true, begins: load},
		{name: "a set", begins: func(ctx context.Context, f function) { _ = f.Set(ctx, "k", "old") }},
	} {
		for how, call := range map[string]func(context.Context, function) (string, error){
			"Call": func(ctx context.Context, f function) (string, error) { return f.Call(ctx, "k") },
			"CallMany": func(ctx context.Context, f function) (string, error) {
				vs, err := f.CallMany(ctx, []string{"k", "k"})
				return vs[0], err
			},
		} {
			t.Run(c.name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, b := context.Background(), &c.store
					b.Memory = storage.NewMemory()
					var version atomic.Pointer[string]
					change := func(v string) { version.Store(&v) }
					source := func(context.Context, string) (string, error) {
						v := *version.Load()
						if c.slow {
							time.Sleep(onItsWay)
						}
						return v, nil
					}
					start := func() function {
						s, err := storage.Share(b)
						noError(t, err)
						f, err := memoize.New(source, config.Store(s), config.Name("f"), config.Logger(slog.New(slog.DiscardHandler)))
						noError(t, err)
						return f
					}
					one, two := start(), start()
					change("old")
					go c.begins(ctx, one)
					synctest.Wait()
					change("new")
					noError(t, two.Invalidate(ctx, "k"))
					v, err := call(ctx, one)
					if noError(t, err); v != "new" {
						t.Errorf("a call that began after an invalidation returned the %s value", v)
					}
					noError(t, one.Wait(ctx))
				})
			})
		}
	}
}
