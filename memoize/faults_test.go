package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// What each operation of a store costs when it fails: a read is a miss, or an
// error where that is asked for; a verb that writes returns ErrUnavailable.
func TestG9FaultsOfEveryOperation(t *testing.T) {
	type outcome struct{ call, many, refresh, set, touch, invalidate, invalidateAll bool } // whether it fails
	for op, want := range map[string][2]outcome{                                           // without and with FailOnStoreError
		"get":    {{}, {call: true, many: true, refresh: true}},
		"set":    {{set: true}, {set: true}},
		"delete": {{invalidate: true}, {invalidate: true}},
		"clear":  {{invalidateAll: true}, {invalidateAll: true}},
		"claim":  {{}, {many: true, touch: true, refresh: true}},
		"short":  {{}, {many: true, touch: true, refresh: true}},
		"fill":   {{touch: true}, {touch: true}},
	} {
		for i, want := range want {
			for _, prompt := range []bool{false, true} {
				t.Run(op, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						ctx, u, source := t.Context(), newUnreliable(), returning[string](1)
						var b storage.Bytes = u
						if prompt {
							b = promptly{u}
						}
						f := overStore(t, b, source, config.FailOnStoreError(i == 1))
						do := func(call string, fails bool, f func() error) {
							t.Helper()
							u.fails(op, nil)
							noError(t, overStore(t, u, source).Set(ctx, "a", 10)) // another process
							u.fails(op, errAway)
							err := f()
							if (err != nil) != fails || fails && !errors.Is(err, memoize.ErrUnavailable) {
								t.Errorf("while %s fails %s returns %v; want an error: %v", op, call, err, fails)
							}
						}
						before := f.Stats().StoreFaults
						do("Call", want.call, func() error { return second(f.Call(ctx, "a")) })
						do("CallMany", want.many, func() error {
							values, err := f.CallMany(ctx, []string{"a", "b"})
							if len(values) != 2 {
								t.Errorf("of two arguments CallMany returns %v", values)
							}
							return err
						})
						do("Refresh", want.refresh, func() error { return second(f.Refresh(ctx, "a")) })
						do("Set", want.set, func() error { return f.Set(ctx, "a", 20) })
						u.fails(op, nil)
						noError(t, f.Set(ctx, "a", 30)) // which ends any doubt
						do("Touch", want.touch, func() error { return second(f.Touch(ctx, "a")) })
						do("Invalidate", want.invalidate, func() error { return f.Invalidate(ctx, "a") })
						do("InvalidateAll", want.invalidateAll, func() error { return f.InvalidateAll(ctx) })
						if op != "clear" && f.Stats().StoreFaults == before {
							t.Error("no fault is counted")
						}
						u.fails(op, nil)
						time.Sleep(2 * time.Second) // a Clear that fails leaves what is stored shortly after in doubt
						noError(t, f.Set(ctx, "a", 40))
						wants(t, 40)(f.Call(ctx, "a"))
					})
				})
			}
		}
	}
}

// Keys that are all in doubt are no call, and are loaded.
func TestG4CallManyOfKeysInDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, u, source := t.Context(), newUnreliable(), returning[string](1)
		f := overStore(t, u, source)
		noError(t, f.SetMany(ctx, []string{"a", "b", "c"}, []int{10, 20, 30}))
		u.fails("set", errAway)
		_ = f.SetMany(ctx, []string{"a", "b"}, []int{11, 21})
		u.fails("set", nil)
		if values, found := f.PeekMany(ctx, []string{"a", "c", "b"}); !slices.Equal(found, []bool{false, true, false}) || values[1] != 30 {
			t.Errorf("PeekMany finds %v, %v; want the second alone", values, found)
		}
		u.fails("get", errAway) // what is in doubt is not asked for
		before := f.Stats().StoreFaults
		if _, found := f.PeekMany(ctx, []string{"a", "b"}); slices.Contains(found, true) {
			t.Errorf("PeekMany finds %v", found)
		}
		if now := f.Stats().StoreFaults; now != before {
			t.Errorf("the store was asked, and has failed %d times", now-before)
		}
		u.fails("get", nil)
		got, err := f.CallMany(ctx, []string{"a", "b", "c"})
		if err != nil || !slices.Equal(got, []int{1, 1, 30}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// A Set under way that an invalidation supersedes leaves nothing behind, its own
// value nor the one before.
func TestG4SetThatIsSuperseded(t *testing.T) {
	for name, memory := range map[string]bool{"in memory": true, "elsewhere": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := t.Context()
				source := returning[string](3)
				var opts []config.Option
				hold := make(chan struct{})
				waits := false
				opts = append(opts, config.ExpireAfter(time.Hour), config.Logger(discardLog), config.StoreBudget(time.Minute, time.Minute))
				s := &mockStorage[string, int]{}
				if !memory {
					opts = append(opts, config.Storage[string, int](s))
				}
				f := memoize.Must(memoize.New(source.load, opts...))
				noError(t, f.Set(ctx, "key", 1))
				if memory {
					noError(t, f.Set(ctx, "key", 2))
					noError(t, f.Invalidate(ctx, "key"))
				} else {
					s.offer = func(context.Context, string) error {
						if waits {
							waits = false
							<-hold
						}
						return nil
					}
					waits = true
					first := begin(1, func() (int, error) { return 0, f.Set(ctx, "key", 2) }) // publishes
					synctest.Wait()
					next := begin(1, func() (int, error) { return 0, f.Set(ctx, "key", 4) }) // waits for it
					synctest.Wait()
					invalidated := begin(1, func() (int, error) { return 0, f.Invalidate(ctx, "key") }) // supersedes that
					synctest.Wait()
					close(hold)
					allWant(t, 0, first())
					allWant(t, 0, next())
					allWant(t, 0, invalidated())
					if v, ok := s.holds("key"); ok {
						t.Errorf("the storage holds %d", v)
					}
				}
				wants(t, 3)(f.Call(ctx, "key"))
			})
		})
	}
}

// A Set that is given up while it waits is an error, and stores nothing; whoever
// has joined it has its value all the same.
func TestSetThatIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		s := &mockStorage[string, int]{offer: func(context.Context, string) error { <-hold; return nil }}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.ExpireAfter(time.Hour), config.Storage[string, int](s), config.StoreBudget(time.Minute, time.Minute), config.Logger(discardLog)))
		publishes := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		sets := begin(1, func() (int, error) { return 0, f.Set(ctx, "key", 2) })
		synctest.Wait()
		joins := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		synctest.Wait()
		cancel()
		if err := sets()[0].err; !errors.Is(err, context.Canceled) {
			t.Errorf("Set returns %v", err)
		}
		allWant(t, 2, joins())
		close(hold)
		allWant(t, 1, publishes())
		if err := f.Set(ctx, "key", 3); !errors.Is(err, context.Canceled) {
			t.Errorf("under a context that has ended Set returns %v", err)
		}
		if v, _ := s.holds("key"); v == 2 || v == 3 {
			t.Errorf("the storage holds %d", v)
		}
	})
}

// A storage that hangs is left alone, and asked again once its operations have
// come back.
func TestG9HungStorageIsAskedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		var hangs atomic.Bool
		hangs.Store(true)
		s := &mockStorage[string, int]{get: func(context.Context, string) error {
			if hangs.Load() {
				<-hold
			}
			return nil
		}}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.ExpireAfter(time.Hour), config.Storage[string, int](s), config.StoreBudget(time.Second, time.Second), config.Logger(discardLog)))
		asks := func(keys int) (asked int) {
			s.reset()
			for i := range keys {
				f.Peek(t.Context(), fmt.Sprint(i))
			}
			return len(s.all())
		}
		const many = 2000
		if asked := asks(many); asked == 0 || asked == many {
			t.Errorf("a storage that hangs is asked %d times of %d", asked, many)
		}
		hangs.Store(false)
		close(hold)
		time.Sleep(1100 * time.Millisecond) // until it is probed
		if asked := asks(many); asked != many {
			t.Errorf("once it is back it is asked %d times of %d", asked, many)
		}
	})
}
