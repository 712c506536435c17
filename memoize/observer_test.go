package memoize_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// fickle is a storage whose operations fail every second time.
type fickle struct {
	*storage.InMemory[string, int]
	n atomic.Int64
}

func (s *fickle) fails() error {
	if s.n.Add(1)%2 == 0 {
		return errOutage
	}
	return nil
}

func (s *fickle) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.InMemory.Get(ctx, key)
}

func (s *fickle) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	if err := s.fails(); err != nil {
		return err
	}
	return s.InMemory.Offer(ctx, key, e)
}

func (s *fickle) Release(ctx context.Context, key string) error {
	if err := s.fails(); err != nil {
		return err
	}
	return s.InMemory.Release(ctx, key)
}

// remote is a fickle that is not storage.Local: it is asked under a budget.
type remote struct{ s *fickle }

func (s remote) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	return s.s.Get(ctx, key)
}
func (s remote) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	return s.s.Offer(ctx, key, e)
}
func (s remote) Release(ctx context.Context, key string) error { return s.s.Release(ctx, key) }

// explosiveStrategy panics every third time that it is told of something.
type explosiveStrategy struct {
	eviction.Strategy[string]
	n atomic.Int64
}

func (s *explosiveStrategy) MarkWritten(key string, e, old *entry.Meta) {
	s.Strategy.MarkWritten(key, e, old)
	if s.n.Add(1)%3 == 0 {
		panic("boom")
	}
}

func (s *explosiveStrategy) MarkReleased(key string, old *entry.Meta) {
	s.Strategy.MarkReleased(key, old)
	if s.n.Add(1)%3 == 0 {
		panic("boom")
	}
}

// G6: an observer may change, and wait for, whatever key it is told of, whatever it is
// told: nothing of the kind is told while the engine holds the key. The one exception
// is the start of a load, whose end can't be waited for there.
func TestG6ObserverChangesTheKeyItIsToldOf(t *testing.T) {
	storages := map[string]func(t *testing.T) config.Option{
		"memory": func(*testing.T) config.Option { return config.Storage(storage.NewInMemory[string, int]()) },
		"local": func(*testing.T) config.Option {
			return config.Storage[string, int](&fickle{InMemory: storage.NewInMemory[string, int]()})
		},
		"remote": func(*testing.T) config.Option {
			return config.Storage[string, int](remote{&fickle{InMemory: storage.NewInMemory[string, int]()}})
		},
		"fenced": func(t *testing.T) config.Option {
			s, err := storage.Share(storage.NewMemory())
			noError(t, err)
			return config.Store(s)
		},
	}
	keys := []string{"a", "b", "c"}
	changes := map[string]func(ctx context.Context, f *memoize.Func[string, int], key string){
		"invalidate": func(ctx context.Context, f *memoize.Func[string, int], key string) { _ = f.Invalidate(ctx, key) },
		"set":        func(ctx context.Context, f *memoize.Func[string, int], key string) { _ = f.Set(ctx, key, 7) },
		"touch":      func(ctx context.Context, f *memoize.Func[string, int], key string) { _, _ = f.Touch(ctx, key) },
		"call":       func(ctx context.Context, f *memoize.Func[string, int], key string) { _, _ = f.Call(ctx, key) },
		"call many":  func(ctx context.Context, f *memoize.Func[string, int], key string) { _, _ = f.CallMany(ctx, keys) },
		"refresh":    func(ctx context.Context, f *memoize.Func[string, int], key string) { _, _ = f.Refresh(ctx, key) },
		"clear":      func(ctx context.Context, f *memoize.Func[string, int], key string) { _ = f.InvalidateAll(ctx) },
	}
	for where, store := range storages {
		for what, change := range changes {
			for _, batched := range []bool{false, true} {
				t.Run(fmt.Sprint(where, "/", what, "/batched=", batched), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						var f *memoize.Func[string, int]
						var changing, kinds sync.Map
						told := observe.Func(func(_ context.Context, ev observe.Event) {
							kinds.Store(ev.Kind, true)
							if ev.Kind == observe.LoadStarted || f == nil {
								return
							}
							for _, key := range keys {
								if _, again := changing.LoadOrStore(key, true); !again { // of its own events
									change(context.Background(), f, key)
									changing.Delete(key)
								}
							}
						})
						var calls atomic.Int64
						one := func(_ context.Context, key string) (int, error) {
							if n := calls.Add(1); n%5 == 0 {
								return 0, errOutage
							} else if n%7 == 0 {
								panic("boom")
							}
							time.Sleep(time.Millisecond)
							return 1, nil
						}
						opts := []config.Option{config.Name("f"), config.Observe(told), config.UpdateAfter(10 * time.Millisecond),
							config.Evict[string](&explosiveStrategy{Strategy: eviction.LeastRecentlyUpdated[string](2)}),
							config.ExpireAfter(20 * time.Millisecond), config.MethodTimeout(time.Hour), store(t)}
						if batched {
							f = memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]int, error) {
								values := map[string]int{}
								for _, key := range keys {
									value, err := one(ctx, key)
									if err != nil {
										return values, err
									}
									values[key] = value
								}
								return values, nil
							}, opts...))
						} else {
							f = memoize.Must(memoize.New(one, opts...))
						}
						began := time.Now()
						for i := range 60 {
							key := keys[i%len(keys)]
							switch i % 6 {
							case 0:
								_, _ = f.CallMany(t.Context(), keys)
							case 1:
								_ = f.Set(t.Context(), key, 2)
							case 2:
								_ = f.Invalidate(t.Context(), key)
							case 3:
								_, _ = f.Touch(t.Context(), key)
							default:
								_, _ = f.Call(t.Context(), key)
							}
							time.Sleep(3 * time.Millisecond)
						}
						settled(t, f)
						if took := time.Since(began); took > time.Minute {
							t.Errorf("it took %v: somebody has waited for the method timeout", took)
						}
						noError(t, f.Close(t.Context()))
						for _, kind := range []observe.Kind{observe.Failing, observe.LoadEnded, observe.Panicked} {
							if _, ok := kinds.Load(kind); !ok {
								t.Errorf("%v was never told", kind)
							}
						}
					})
				})
			}
		}
	}
}
