package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// keeper keeps the contexts that a source is given, as a goroutine does that the
// source leaves behind.
type keeper struct {
	mu   sync.Mutex
	kept []context.Context
}

// callers is the key of a value in the context of a caller.
type callers struct{}

func (k *keeper) keep(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, ctx)
}

// heap is how much is in use once everything has gone that can go.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// G11: a context that outlives its load keeps neither what the load has brought, nor
// its argument, nor the loads beside it.
func TestG11AKeptContextKeepsNoValues(t *testing.T) {
	const loads, size = 1000, 100_000
	ctx := context.WithValue(t.Context(), callers{}, "of the caller")
	for name, call := range map[string]func(k *keeper) func(i int) error{
		"one": func(k *keeper) func(int) error {
			f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (string, error) {
				k.keep(ctx)
				return string(make([]byte, size)), nil
			}, config.Capacity(10)))
			return func(i int) error { _, err := f.Call(ctx, fmt.Sprint(i, string(make([]byte, 1000)))); return err }
		},
		"refreshed": func(k *keeper) func(int) error {
			f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (string, error) {
				k.keep(ctx)
				return string(make([]byte, size)), nil
			}, config.Capacity(10), config.UpdateAfter(0)))
			return func(i int) error {
				_, err := f.Call(ctx, strconv.Itoa(i%10))
				return errors.Join(err, f.Wait(ctx))
			}
		},
		"batched": func(k *keeper) func(int) error {
			f := memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]string, error) {
				k.keep(ctx)
				got := map[string]string{}
				for _, key := range keys {
					got[key] = string(make([]byte, size/2))
				}
				return got, nil
			}, config.Capacity(10)))
			return func(i int) error {
				_, err := f.CallMany(ctx, []string{strconv.Itoa(2 * i), strconv.Itoa(2*i + 1)})
				return err
			}
		},
		"direct": func(k *keeper) func(int) error {
			f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (string, error) {
				k.keep(ctx)
				return string(make([]byte, size)), nil
			}))
			return func(i int) error { _, err := f.Direct(ctx, fmt.Sprint(i, string(make([]byte, 1000)))); return err }
		},
	} {
		t.Run(name, func(t *testing.T) {
			var k keeper
			load := call(&k)
			before := heap()
			for i := range loads {
				noError(t, load(i))
			}
			if grown := (heap() - before) >> 20; grown > 6 {
				t.Errorf("after %d loads of %d bytes at a capacity of 10, %d MiB are held", loads, size, grown)
			}
			for _, ctx := range k.kept {
				if ctx.Err() == nil || ctx.Value(callers{}) != "of the caller" {
					t.Fatalf("a kept context: %v, %v", ctx.Err(), ctx.Value(callers{}))
				}
			}
		})
	}
}

// G11: nor does the context of one load keep those that have run beside it, before it
// and after it.
func TestG11AKeptContextKeepsNoNeighbours(t *testing.T) {
	var kept context.Context
	var values []weak.Pointer[user]
	hold := make(chan struct{})
	func() {
		f := memoize.Must(memoize.New(func(ctx context.Context, key string) (*user, error) {
			if key == "50" {
				kept = ctx
			}
			<-hold
			return new(user), nil
		}, config.Capacity(1)))
		got := make(chan *user)
		for key := range 100 {
			go func() {
				v, _ := f.Call(t.Context(), strconv.Itoa(key))
				got <- v
			}()
		}
		for f.Stats().LoadsRunning < 100 {
			runtime.Gosched()
		}
		close(hold)
		for range 100 {
			values = append(values, weak.Make(<-got))
		}
		noError(t, f.Close(t.Context()))
	}()
	gone(t, func() (held int) {
		for _, v := range values {
			if v.Value() != nil {
				held++
			}
		}
		return held
	})
	runtime.KeepAlive(kept)
}

// gone waits until collections have left nothing.
func gone(t *testing.T, held func() int) {
	t.Helper()
	for range 50 {
		if runtime.GC(); held() == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d are held by something", held())
}

// G11: nor one whose load is given up, nor what was hung onto it, nor one that ends
// while its load is being given up.
func TestG11AKeptContextOfALateLoad(t *testing.T) {
	var kept, child context.Context
	var held weak.Pointer[user]
	synctest.Test(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(func(ctx context.Context, key string) (*user, error) {
			var cancel context.CancelFunc
			kept = ctx
			child, cancel = context.WithCancel(ctx)
			time.AfterFunc(time.Hour, cancel)
			if end, ok := ctx.Deadline(); !ok || time.Until(end) != time.Minute {
				t.Errorf("the deadline is %v, %v", end, ok)
			}
			time.Sleep(2 * time.Minute)
			v := new(user)
			held = weak.Make(v)
			return v, nil
		}, config.Capacity(1), config.MethodTimeout(time.Minute), config.Logger(quiet)))
		if _, err := f.Call(t.Context(), "key"); !errors.Is(err, memoize.ErrLoadTimeout) {
			t.Error(err)
		}
		noError(t, f.Close(t.Context()))
		if end, ok := kept.Deadline(); !ok || time.Until(end) != -time.Minute || !errors.Is(kept.Err(), context.DeadlineExceeded) || child.Err() == nil {
			t.Errorf("at the end: %v, %v, %v, %v", end, ok, kept.Err(), child.Err())
		}
	})
	gone(t, func() int {
		if held.Value() != nil {
			return 1
		}
		return 0
	})
	runtime.KeepAlive(kept)
	runtime.KeepAlive(child)
}

// G11: a source that calls the function again with the context that it kept of the
// load before, as what refreshes itself does, makes no chain of them.
func TestG11AContextThatIsHandedOn(t *testing.T) { handsOnItsContext(t) }

// handsOnItsContext calls a function under the context of its last load, over and over.
func handsOnItsContext(t *testing.T, opts ...config.Option) {
	key := func() string { return string(make([]byte, 4000)) } // the same, and another copy each time
	var kept context.Context
	f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) {
		kept = ctx
		return 1, nil
	}, append(opts, config.UpdateAfter(0), config.ExactClock())...)) // on a busy machine, too, each call is to find the entry stale
	_, err := f.Call(t.Context(), key())
	noError(t, err)
	before := heap()
	const loads = 2000
	for range loads {
		_, err := f.Call(kept, key()) // which is stale
		noError(t, errors.Join(err, f.Wait(t.Context())))
	}
	if grown := (heap() - before) >> 20; grown > 2 {
		t.Errorf("after %d loads, each under the context of the one before, %d MiB are held", loads, grown)
	}
	if n := f.Stats().Loads; n != loads+1 {
		t.Errorf("%d loads, want %d", n, loads+1)
	}
}

// G6: a load that ends while its timeout is told is told of to the end.
func TestG6ALoadThatEndsWhileItsTimeoutIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var late []string
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []int) (map[int]int, error) {
			<-release
			return map[int]int{1: 1, 2: 2}, nil
		}, config.MethodTimeout(time.Minute), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.Late {
				if late = append(late, e.Key); len(late) == 1 {
					close(release)
					time.Sleep(time.Second) // in which the load comes to its end
				}
			}
		}))))
		if _, err := f.CallMany(t.Context(), []int{1, 2}); !errors.Is(err, memoize.ErrLoadTimeout) {
			t.Error(err)
		}
		noError(t, f.Close(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		if slices.Sort(late); !slices.Equal(late, []string{"1", "2"}) {
			t.Errorf("told of %v, want of both keys", late)
		}
	})
}
