package memoize_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// unreliable is a store of bytes some of whose operations fail while they are told
// to, before they do anything.
type unreliable struct {
	*storage.Memory
	mu    sync.Mutex
	fault map[string]error
}

var errAway = errors.New("the store is away")

func newUnreliable() *unreliable {
	return &unreliable{Memory: storage.NewMemory(), fault: map[string]error{}}
}

func (u *unreliable) fails(op string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fault[op] = err
}

func (u *unreliable) now(op string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fault[op]
}

func (u *unreliable) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := u.now("get"); err != nil {
		return storage.Record{}, err
	}
	return u.Memory.Get(ctx, key)
}

func (u *unreliable) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	if err := u.now("get"); err != nil {
		return nil, err
	}
	return u.Memory.GetMany(ctx, keys)
}

func (u *unreliable) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := u.now("set"); err != nil {
		return err
	}
	return u.Memory.Set(ctx, key, value, keep)
}

func (u *unreliable) SetMany(ctx context.Context, items []storage.Item) error {
	if err := u.now("set"); err != nil {
		return err
	}
	return u.Memory.SetMany(ctx, items)
}

func (u *unreliable) Delete(ctx context.Context, key string) (bool, error) {
	if err := u.now("delete"); err != nil {
		return false, err
	}
	return u.Memory.Delete(ctx, key)
}

func (u *unreliable) Clear(ctx context.Context, prefix string) error {
	if err := u.now("clear"); err != nil {
		return err
	}
	return u.Memory.Clear(ctx, prefix)
}

func (u *unreliable) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if err := u.now("claim"); err != nil {
		return nil, err
	}
	if u.now("short") != nil {
		return nil, nil
	}
	return u.Memory.Claim(ctx, hold, keys...)
}

func (u *unreliable) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if err := u.now("fill"); err != nil {
		return nil, err
	}
	return u.Memory.Fill(ctx, fills...)
}

// promptly keeps to deadlines itself.
type promptly struct{ *unreliable }

func (promptly) ReturnsInTime() bool { return true }

// overStore is a function as one of several processes over a store has it.
func overStore(t *testing.T, b storage.Bytes, s *scripted[string, int], opts ...config.Option) *memoize.Func[string, int] {
	t.Helper()
	store, err := storage.Share(b)
	noError(t, err)
	f, err := memoize.New(s.load, append([]config.Option{config.Store(store), config.Name("shared"), config.ExpireAfter(time.Hour), config.Logger(discardLog)}, opts...)...)
	noError(t, err)
	return f
}

// A key is in doubt from a write that failed until one that is acknowledged when
// nothing of the first can arrive any more, over a store that is asked on the caller's
// goroutine too.
func TestG4DoubtEndsWithAWrite(t *testing.T) {
	for name, wrap := range map[string]func(*unreliable) storage.Bytes{
		"a store":                           func(u *unreliable) storage.Bytes { return u },
		"a store that keeps deadlines":      func(u *unreliable) storage.Bytes { return promptly{u} },
		"a store that is not fenced":        func(u *unreliable) storage.Bytes { return struct{ storage.Bytes }{u} },
		"one that keeps deadlines, no more": func(u *unreliable) storage.Bytes { return onTime{u} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u, source := newUnreliable(), returning[string](1)
				f := overStore(t, wrap(u), source)
				noError(t, f.Set(t.Context(), "a", 10))
				u.fails("set", errAway)
				if err := f.Set(t.Context(), "a", 20); !errors.Is(err, memoize.ErrUnavailable) {
					t.Fatalf("a Set that fails returns %v", err)
				}
				if _, ok := f.Peek(t.Context(), "a"); ok {
					t.Error("what is in doubt is found")
				}
				touched, _ := f.Touch(t.Context(), "a")
				if touched {
					t.Error("what is in doubt is touched")
				}
				u.fails("set", nil)
				if _, ok := f.Peek(t.Context(), "a"); ok {
					t.Error("what was in doubt is found, and nothing was written")
				}
				time.Sleep(2 * time.Minute) // what failed may arrive late where the store refuses nothing
				noError(t, f.Set(t.Context(), "a", 30))
				wants(t, 30)(f.Call(t.Context(), "a"))
				wants(t, true)(f.Touch(t.Context(), "a"))
				wantCalls(t, source, 0)
			})
		})
	}
}

// onTime can do nothing but keep to deadlines.
type onTime struct{ storage.Bytes }

func (onTime) ReturnsInTime() bool { return true }

// A Touch of what is in doubt revives nothing, in whatever process it was set since.
func TestG4TouchOfWhatIsInDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u, source := newUnreliable(), returning[string](1)
		one, two := overStore(t, u, source), overStore(t, u, source)
		noError(t, one.Set(t.Context(), "a", 10))
		u.fails("set", errAway)
		_ = one.Set(t.Context(), "a", 20)
		u.fails("set", nil)
		wants(t, false)(one.Touch(t.Context(), "a"))
		time.Sleep(30 * time.Minute)
		wants(t, true)(two.Touch(t.Context(), "a")) // which knows of no doubt
		wants(t, false)(one.Touch(t.Context(), "a"))
	})
}

// Who joined a load whose value could not be stored looks again, and does not
// take what is in doubt.
func TestG4DoubtAtTheSecondLook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u, source := newUnreliable(), returning[string](1)
		one, two := overStore(t, u, source), overStore(t, u, source)
		open := source.holds()
		leads := begin(1, func() (int, error) { return one.Call(t.Context(), "a") })
		synctest.Wait()
		joins := begin(1, func() (int, error) { return one.Call(t.Context(), "a") })
		synctest.Wait()
		noError(t, two.Set(t.Context(), "a", 10))
		u.fails("fill", errAway)
		source.returns(2)
		open()
		allWant(t, 1, leads())
		allWant(t, 2, joins())
		wantCalls(t, source, 2)
	})
}

// A write that was left and arrives after another one brings nothing back: the
// key is in doubt until a write is acknowledged with no other on its way.
func TestG4DoubtWhileAnotherWriteRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		arrives := make(chan struct{})
		var offers atomic.Int64
		s := &mockStorage[string, int]{offer: func(context.Context, string) error {
			if offers.Add(1) == 1 {
				<-arrives
			}
			return nil
		}}
		source := returning[string](3)
		f := memoize.Must(memoize.New(source.load, config.ExpireAfter(time.Hour), config.Storage[string, int](s), config.Logger(discardLog)))
		if err := f.Set(t.Context(), "key", 1); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatalf("a Set that is left returns %v", err)
		}
		noError(t, f.Set(t.Context(), "key", 2))
		if _, ok := f.Peek(t.Context(), "key"); ok {
			t.Error("what is in doubt is found")
		}
		close(arrives)
		synctest.Wait()
		if v, _ := s.holds("key"); v != 1 {
			t.Fatalf("the storage holds %d, and the older write is to have arrived", v)
		}
		wants(t, 3)(f.Call(t.Context(), "key"))
		settled(t, f)
		wants(t, 3)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// To clear the storage ends every doubt.
func TestG4DoubtEndsWithAClear(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u, source := newUnreliable(), returning[string](1)
		one, two := overStore(t, u, source), overStore(t, u, source)
		u.fails("set", errAway)
		_ = one.Set(t.Context(), "a", 20)
		u.fails("set", nil)
		noError(t, two.Set(t.Context(), "a", 10))
		if _, ok := one.Peek(t.Context(), "a"); ok {
			t.Error("what is in doubt is found")
		}
		noError(t, one.InvalidateAll(t.Context()))
		noError(t, two.Set(t.Context(), "a", 30))
		wants(t, 30)(one.Call(t.Context(), "a"))
		wantCalls(t, source, 0)
	})
}
