package memoize_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// offAndOn is a store, some keys of which, or all, take 50 ms to fail.
type offAndOn struct {
	*storage.Memory
	store *storage.Store
	mu    sync.Mutex
	fails func(key string) bool
	tried map[string]int // by the method
}

var errNoRoute = errors.New("no route to host")

func (s *offAndOn) set(fails func(key string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails, s.tried = fails, map[string]int{}
}

func (s *offAndOn) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried[method]
}

func (s *offAndOn) try(method string, keys ...string) error {
	s.mu.Lock()
	s.tried[method]++
	fails := s.fails != nil && slices.ContainsFunc(keys, s.fails)
	s.mu.Unlock()
	if fails {
		time.Sleep(50 * time.Millisecond)
		return errNoRoute
	}
	return nil
}

func (s *offAndOn) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := s.try("Get", key); err != nil {
		return storage.Record{}, err
	}
	return s.Memory.Get(ctx, key)
}

func (s *offAndOn) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	if err := s.try("GetMany", keys...); err != nil {
		return nil, err
	}
	return s.Memory.GetMany(ctx, keys)
}

func (s *offAndOn) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := s.try("Set", key); err != nil {
		return err
	}
	return s.Memory.Set(ctx, key, value, keep)
}

func (s *offAndOn) Delete(ctx context.Context, key string) (bool, error) {
	if err := s.try("Delete", key); err != nil {
		return false, err
	}
	return s.Memory.Delete(ctx, key)
}

func (s *offAndOn) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if err := s.try("Claim", keys...); err != nil {
		return nil, err
	}
	return s.Memory.Claim(ctx, hold, keys...)
}

func (s *offAndOn) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if err := s.try("Fill", fills[0].Key); err != nil {
		return nil, err
	}
	return s.Memory.Fill(ctx, fills...)
}

func (s *offAndOn) Clear(ctx context.Context, prefix string) error {
	if err := s.try("Clear", prefix); err != nil {
		return err
	}
	return s.Memory.Clear(ctx, prefix)
}

// overOffAndOn makes a function over the store, and another one that shares it.
func overOffAndOn(t *testing.T, opts ...config.Option) (s *offAndOn, p *pool, f, other *memoize.Func[int, int], events func(observe.Kind) int) {
	t.Helper()
	s, p = &offAndOn{Memory: storage.NewMemory()}, &pool{}
	s.set(nil)
	t.Cleanup(func() { _ = s.Memory.Close() })
	store, err := storage.Share(s)
	if err != nil {
		t.Fatal(err)
	}
	s.store = store
	var mu sync.Mutex
	seen := map[observe.Kind]int{}
	opts = append(opts, config.Store(store), config.Logger(nil), config.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
		mu.Lock()
		defer mu.Unlock()
		seen[ev.Kind]++
	})))
	f, err = memoize.New(p.load, append(opts, config.Name("f"))...)
	madeOf(t, f, err)
	other, err = memoize.New(p.load, append(opts, config.Name("other"))...)
	madeOf(t, other, err)
	return s, p, f, other, func(k observe.Kind) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[k]
	}
}

func all(string) bool { return true }

// callFor calls for keys in turn, a hundred times a second.
func callFor(t *testing.T, f *memoize.Func[int, int], d time.Duration) {
	t.Helper()
	for i := range int(d / (10 * time.Millisecond)) {
		if v, err := f.Call(t.Context(), i%50); err != nil || v != i%50 {
			t.Fatalf("%d: %d, %v", i%50, v, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A store that is away is asked once a second; until then calls cost what the source does.
func TestG9AStoreThatIsAwayIsSpared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, f, other, events := overOffAndOn(t)
		callFor(t, f, time.Second)
		s.set(all)
		callFor(t, f, 3*time.Second) // of which each takes longer at first
		if st := f.Stats(); !st.StoreDown || st.StoreSpared == 0 || events(observe.StoreDown) != 1 {
			t.Fatalf("it is not known to be away: %+v", st)
		}
		if !other.Stats().StoreDown {
			t.Error("a function that shares the store does not know")
		}
		if st := s.store.State(); !st.Down || st.Functions != 2 || st.DownFor <= 0 || st.DownFor > 5*time.Second || st.NextProbe > 1100*time.Millisecond || st.Name == "" {
			t.Errorf("the store is %+v", st)
		}
		s.set(all)
		began := time.Now()
		callFor(t, f, 10*time.Second)
		asked := s.count("Get") + s.count("Claim") + s.count("Fill") + s.count("Set")
		if took := time.Since(began); asked < 8 || asked > 12 || took > 11*time.Second {
			t.Errorf("%v of calls have asked the store %d times", took, asked)
		}
		loads, _ := p.loads()
		s.set(nil)
		callFor(t, other, 1200*time.Millisecond)
		if f.Stats().StoreDown || s.store.State().Down || events(observe.StoreBack) != 1 {
			t.Error("it is not known to be back")
		}
		callFor(t, f, time.Second)
		callFor(t, f, time.Second)
		if now, _ := p.loads(); now-loads > 120+50+50 { // of other while it was away, and each key twice
			t.Errorf("%d loads when it is back", now-loads)
		}
	})
}

// What callers say of a key always goes to the store, which may answer again.
func TestG9WhatChangesAKeyAlwaysGoesToTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _, f, _, _ := overOffAndOn(t, config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour))
		callFor(t, f, time.Second)
		down := func() {
			t.Helper()
			s.set(all)
			callFor(t, f, 3*time.Second)
			if !f.Stats().StoreDown {
				t.Fatal("it is not away")
			}
			s.set(all)
		}
		down()
		for _, c := range []struct {
			name   string
			change func() error
		}{
			{"Set", func() error { return f.Set(t.Context(), 1, 1) }},
			{"Invalidate", func() error { return f.Invalidate(t.Context(), 4) }},
			{"Update", func() error {
				_, err := f.Update(t.Context(), 5, func(old int, _ bool) (int, error) { return old + 1, nil })
				return err
			}},
			{"InvalidateAll", func() error { return f.InvalidateAll(t.Context()) }},
		} {
			if err := c.change(); !errors.Is(err, memoize.ErrUnavailable) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if s.count("Set") != 1 || s.count("Delete") != 1 || s.count("Claim") != 1 || s.count("Clear") != 1 {
			t.Errorf("the store was asked %v", s.tried)
		}
		before := s.count("Claim") + s.count("Get")
		if ok, err := f.Touch(t.Context(), 2); ok || err != nil || s.count("Claim")+s.count("Get") != before+1 {
			t.Errorf("Touch: %v, %v, %v", ok, err, s.tried)
		}
		s.set(nil)
		if err := f.Set(t.Context(), 3, 33); err != nil || f.Stats().StoreDown {
			t.Errorf("a Set that is acknowledged shows that the store is back: %v", err)
		}
		down()
		s.set(nil)
		if err := f.Invalidate(t.Context(), 3); err != nil || f.Stats().StoreDown {
			t.Errorf("so does an Invalidate: %v", err)
		}
	})
}

// An invalidation that the store has not acknowledged is in doubt when it is back.
func TestG9ADoubtOutlivesTheBreaker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, f, _, _ := overOffAndOn(t)
		callFor(t, f, time.Second)
		s.set(all)
		callFor(t, f, 3*time.Second)
		if err := f.Invalidate(t.Context(), 7); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatal(err)
		}
		s.set(nil)
		time.Sleep(2 * time.Second)
		before, _ := p.loads()
		wants(t, 7)(f.Call(t.Context(), 7))
		wants(t, 7)(f.Call(t.Context(), 7))
		if now, _ := p.loads(); now != before+1 {
			t.Errorf("%d loads after an invalidation that the store may not know", now-before)
		}
	})
}

// One server of several that is away, and keys that can't be read, do not open it.
func TestG9WhatDoesNotOpenTheStoresBreaker(t *testing.T) {
	for name, fails := range map[string]func(key string) bool{
		"one server in two": func(key string) bool { return key[len(key)-1]%2 == 0 },
		"a few keys":        func(key string) bool { return key[len(key)-1] == '3' },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, _, f, _, events := overOffAndOn(t)
				callFor(t, f, time.Second)
				s.set(fails)
				callFor(t, f, 10*time.Second)
				if st := f.Stats(); st.StoreDown || events(observe.StoreDown) != 0 || st.StoreFaults == 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// Records that can't be read are those of a store that answers.
func TestG9UnreadableRecordsDoNotOpenTheStoresBreaker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _, f, _, _ := overOffAndOn(t, config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour))
		for range 100 {
			for key := range 50 {
				text, err := f.Key(key)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Memory.Set(t.Context(), text, []byte("damage"), storage.Forever); err != nil {
					t.Fatal(err)
				}
			}
			callFor(t, f, 500*time.Millisecond)
		}
		if f.Stats().StoreDown {
			t.Error("it is taken for away")
		}
	})
}

// With FailOnStoreError the error comes at once.
func TestG9FailOnStoreErrorFailsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p, f, _, _ := overOffAndOn(t, config.FailOnStoreError(true))
		s.set(all)
		for i := range 100 {
			if _, err := f.Call(t.Context(), i); !errors.Is(err, memoize.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if !f.Stats().StoreDown {
			t.Fatal("it is not away")
		}
		began := time.Now()
		for range 10 {
			if _, err := f.CallMany(t.Context(), upTo(10)); !errors.Is(err, memoize.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 60*time.Millisecond { // one may be the probe
			t.Errorf("the errors took %v", took)
		}
		if asked, _ := p.loads(); asked != 0 {
			t.Errorf("%d loads", asked)
		}
	})
}

// A storage of one's own that is not in memory has a breaker too, which a change of the
// other settings leaves as it is.
func TestG9AStorageOfOnesOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := config.Mutable(config.InMemory[int, int](config.Storage[int, int](goneStorage{}), config.Evict(eviction.None[int]())))
		p := &pool{}
		f, err := memoize.Memoize(p.load, live, config.Logger(nil))
		madeOf(t, f, err)
		callFor(t, f, 3*time.Second)
		if !f.Stats().StoreDown {
			t.Fatal("it is not known to be away")
		}
		if err := live.Apply(config.UpdateAfter(time.Minute)); err != nil || !f.Stats().StoreDown {
			t.Errorf("after a change: %v, %+v", err, f.Stats())
		}
	})
}

// Going around the store leads to the source through the guard only.
func TestG9AroundTheStoreThroughTheGuard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGuard(t, guard.Fixed(2))
		s, p, f, _, _ := overOffAndOn(t, config.Guard(g))
		p.set(func(p *pool) { p.takes = 10 * time.Millisecond })
		callFor(t, f, time.Second)
		s.set(all)
		for range 20 {
			beginKeys(f, time.Minute, upTo(20)...)()
		}
		if _, most := p.loads(); most != 2 || !f.Stats().StoreDown {
			t.Errorf("%d at once around a store that is away: %+v", most, f.Stats())
		}
	})
}

// goneStorage is a storage that is away.
type goneStorage struct{}

func (goneStorage) Get(context.Context, int) (*entry.Entry[int], error) {
	time.Sleep(20 * time.Millisecond)
	return nil, errNoRoute
}
func (goneStorage) Offer(context.Context, int, *entry.Entry[int]) error { return errNoRoute }
func (goneStorage) Release(context.Context, int) error                  { return errNoRoute }
