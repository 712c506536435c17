package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// What the guarantees are worth where processes share a store. Each process is a
// function on a Store of its own over the same Bytes.

// wire counts the round trips to a store, and can fail or hold them.
type wire struct {
	*storage.Memory
	mu    sync.Mutex
	trips []string
	fail  map[string]error
	hold  map[string]chan struct{}
}

func newWire() *wire {
	return &wire{Memory: storage.NewMemory(), fail: map[string]error{}, hold: map[string]chan struct{}{}}
}

func (w *wire) trip(op string) error {
	w.mu.Lock()
	w.trips = append(w.trips, op)
	err, hold := w.fail[op], w.hold[op]
	w.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return err
}

func (w *wire) fails(op string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail[op] = err
}

// blocks makes the operation wait until the channel is closed.
func (w *wire) blocks(op string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold[op] = make(chan struct{})
	return w.hold[op]
}

func (w *wire) unblocks(op string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.hold[op])
	delete(w.hold, op)
}

// made is the trips since it was last asked.
func (w *wire) made() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := w.trips
	w.trips = nil
	return made
}

func (w *wire) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := w.trip("get"); err != nil {
		return storage.Record{}, err
	}
	return w.Memory.Get(ctx, key)
}

func (w *wire) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := w.trip("set"); err != nil {
		return err
	}
	return w.Memory.Set(ctx, key, value, keep)
}

func (w *wire) Delete(ctx context.Context, key string) (bool, error) {
	if err := w.trip("delete"); err != nil {
		return false, err
	}
	return w.Memory.Delete(ctx, key)
}

func (w *wire) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	if err := w.trip(fmt.Sprintf("get %d", len(keys))); err != nil {
		return nil, err
	}
	return w.Memory.GetMany(ctx, keys)
}

func (w *wire) SetMany(ctx context.Context, items []storage.Item) error {
	if err := w.trip(fmt.Sprintf("set %d", len(items))); err != nil {
		return err
	}
	return w.Memory.SetMany(ctx, items)
}

func (w *wire) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if err := w.trip(fmt.Sprintf("claim %d", len(keys))); err != nil {
		return nil, err
	}
	return w.Memory.Claim(ctx, hold, keys...)
}

func (w *wire) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if err := w.trip(fmt.Sprintf("fill %d", len(fills))); err != nil {
		return nil, err
	}
	return w.Memory.Fill(ctx, fills...)
}

// plain is a store that can't do more than it must.
type plain struct{ storage.Bytes }

// process is a function as another process has it.
func process[V any](t *testing.T, b storage.Bytes, source func(context.Context, string) (V, error), opts ...config.Option) *memoize.Func[string, V] {
	t.Helper()
	s, err := storage.Share(b, storage.Prefix("svc:"))
	noError(t, err)
	f, err := memoize.New(source, append([]config.Option{config.Store(s), config.Name("users"), config.ExpireAfter(time.Hour)}, opts...)...)
	return must(t, f, err)
}

func share(t *testing.T, b storage.Bytes) *storage.Store {
	t.Helper()
	s, err := storage.Share(b)
	noError(t, err)
	return s
}

func TestG4AcrossProcessesALoadIsKeptOut(t *testing.T) {
	for _, fenced := range []bool{true, false} {
		t.Run(fmt.Sprintf("fenced=%v", fenced), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				var b storage.Bytes = newWire()
				if !fenced {
					b = plain{b}
				}
				g := &gated{}
				one, two := process(t, b, g.load), process(t, b, g.load)
				old := begin(1, func() (string, error) { return one.Call(ctx, "a") })
				synctest.Wait()
				g.set(1)
				noError(t, two.Invalidate(ctx, "a"))
				g.open(0, nil)
				allWant(t, "a@0", old()) // the load is as old as the call
				_, found := two.Peek(ctx, "a")
				if found == fenced { // the control: without a fence, it is served from now on
					t.Errorf("another process finds the value that was loaded before its invalidation: %v", found)
				}
			})
		})
	}
}

func TestG4AcrossProcessesJoinersLookAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, g := context.Background(), newWire(), &gated{}
		one, two := process(t, w, g.load), process(t, w, g.load)
		old := begin(1, func() (string, error) { return one.Call(ctx, "a") })
		synctest.Wait()
		g.set(1)
		noError(t, two.Invalidate(ctx, "a"))
		late := begin(5, func() (string, error) { return one.Call(ctx, "a") }) // they join the load
		synctest.Wait()
		if g.count() != 1 {
			t.Fatalf("%d loads have begun", g.count())
		}
		g.open(0, nil)
		allWant(t, "a@0", old())
		synctest.Wait()
		if g.count() != 2 {
			t.Fatalf("%d loads have begun: the five need one of their own", g.count())
		}
		g.open(1, nil)
		allWant(t, "a@1", late())
		if s := one.Stats(); s.Fenced != 1 {
			t.Errorf("%d fenced", s.Fenced)
		}
	})
}

func TestG4AcrossProcessesRefreshIsKeptOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, g := context.Background(), newWire(), &gated{}
		one := process(t, w, g.load, config.UpdateAfter(time.Minute))
		two := process(t, w, g.load, config.UpdateAfter(time.Minute))
		noError(t, one.Set(ctx, "a", "first"))
		time.Sleep(2 * time.Minute)
		wants(t, "first")(one.Call(ctx, "a"))
		synctest.Wait()
		noError(t, two.Set(ctx, "a", "second"))
		g.open(0, nil)
		noError(t, one.Wait(ctx))
		wants(t, "second")(one.Call(ctx, "a"))
		wants(t, "second")(two.Call(ctx, "a"))
	})
}

func TestG4AcrossProcessesTouchRevivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, s := context.Background(), newWire(), returning[string, string]("v")
		one, two := process(t, w, s.load), process(t, w, s.load)
		noError(t, one.Set(ctx, "a", "v"))
		w.blocks("fill 1")
		touched := begin(1, func() (bool, error) { return one.Touch(ctx, "a") })
		synctest.Wait() // it has looked
		noError(t, two.Invalidate(ctx, "a"))
		w.unblocks("fill 1")
		allWant(t, false, touched())
		if two.Has(ctx, "a") {
			t.Error("an invalidated value is back")
		}
		noError(t, one.Set(ctx, "a", "w"))
		wants(t, true)(one.Touch(ctx, "a"))
	})
}

func TestG4AcrossProcessesInvalidateAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, g := context.Background(), newWire(), &gated{}
		one, two := process(t, w, g.load), process(t, w, g.load)
		other := memoize.Must(memoize.New(g.load, config.Store(share(t, w)), config.Name("others")))
		noError(t, one.Set(ctx, "b", "old"))
		noError(t, other.Set(ctx, "b", "theirs"))
		old := begin(1, func() (string, error) { return one.Call(ctx, "a") })
		synctest.Wait()
		noError(t, two.InvalidateAll(ctx))
		g.open(0, nil)
		allWant(t, "a@0", old())
		for _, key := range []string{"a", "b"} {
			if one.Has(ctx, key) {
				t.Errorf("%s is there", key)
			}
		}
		if !other.Has(ctx, "b") {
			t.Error("another function's value is gone")
		}
	})
}

func TestG1AcrossProcessesAClaimFindsWhatAnotherHasLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, s := context.Background(), newWire(), returning[string, string]("v")
		one, two := process(t, w, s.load), process(t, w, s.load)
		w.blocks("claim 1")
		waiting := begin(3, func() (string, error) { return one.Call(ctx, "a") })
		synctest.Wait() // it has found nothing
		noError(t, two.Set(ctx, "a", "theirs"))
		w.unblocks("claim 1")
		allWant(t, "theirs", waiting())
		wantCalls(t, s, 0)
	})
}

func TestG9AClaimThatFailsCostsOnlyTheStoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, s := context.Background(), newWire(), returning[string, string]("v")
		var j journal
		f := process(t, w, s.load, config.Observe(observe.Func(func(_ context.Context, e observe.Event) { j.add("%v", e.Kind) })))
		away := errors.New("away")
		w.fails("claim 1", away)
		wants(t, "v")(f.Call(ctx, "a"))
		if f.Has(ctx, "a") {
			t.Error("the value is stored without a claim")
		}
		j.exactly(t, observe.StoreFault.String(), 1)
		w.fails("claim 1", nil)
		wants(t, "v")(f.Call(ctx, "a"))
		if !f.Has(ctx, "a") {
			t.Error("the value is not stored")
		}
	})
}

func TestG9FailOnStoreError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, s := context.Background(), newWire(), returning[string, string]("v")
		f := process(t, w, s.load, config.FailOnStoreError(true))
		away := errors.New("away")
		for _, op := range []string{"get", "claim 1"} {
			w.fails(op, away)
			if _, err := f.Call(ctx, "a"); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, away) {
				t.Errorf("%s: %v", op, err)
			}
			w.fails(op, nil)
		}
		w.fails("get 2", away)
		if _, err := f.CallMany(ctx, []string{"a", "b"}); !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("many: %v", err)
		}
		wantCalls(t, s, 0)
		w.fails("fill 1", away) // what can't be written costs no caller its value
		wants(t, "v")(f.Call(ctx, "a"))
		wantCalls(t, s, 1)
	})
}

func TestG9WhatCantBeReadIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, s := context.Background(), newWire(), returning[string, string]("v")
		f := process(t, w, s.load, config.FailOnStoreError(true))
		key, err := f.Key("a")
		noError(t, err)
		noError(t, w.Memory.Set(ctx, key, []byte("garbage"), time.Hour))
		wants(t, "v")(f.Call(ctx, "a"))
		wantCalls(t, s, 1)
	})
}

func TestHiddenKeysAreNotInErrorsOfAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, s := context.Background(), newWire(), returning[string, string]("v")
		var log strings.Builder
		f := process(t, w, s.load, config.HideKeys(), config.FailOnStoreError(true), config.Logger(textLog(&log)))
		key, err := f.Key("secret")
		noError(t, err)
		noError(t, w.Memory.Set(ctx, key, []byte("garbage"), time.Hour))
		wants(t, "v")(f.Call(ctx, "secret"))
		away := errors.New("away")
		w.fails("get", fmt.Errorf("get %q: %w", key, away))
		_, err = f.Call(ctx, "secret")
		if !errors.Is(err, away) || !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		for _, text := range []string{log.String(), fmt.Sprint(err)} {
			if strings.Contains(text, "secret") || !strings.Contains(text, "storage") {
				t.Errorf("%s", text)
			}
		}
	})
}

func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w := context.Background(), newWire()
		s, loads := share(t, w), 0
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []int) (map[int]int, error) {
			loads++
			values := map[int]int{}
			for _, k := range keys {
				values[k] = k * k
			}
			return values, nil
		}, config.Store(s), config.Name("squares")))
		for _, step := range []struct {
			what string
			do   func() error
			want string
		}{
			{"nothing is no trip", func() error { _, err := f.CallMany(ctx, nil); return err }, ""},
			{"a miss", func() error { _, err := f.Call(ctx, 1); return err }, "get, claim 1, fill 1"},
			{"a hit", func() error { _, err := f.Call(ctx, 1); return err }, "get"},
			{"misses", func() error { _, err := f.CallMany(ctx, []int{1, 2, 3, 2}); return err }, "get 3, claim 2, fill 2"},
			{"hits write nothing", func() error { _, err := f.CallMany(ctx, []int{3, 2, 1}); return err }, "get 3"},
			{"a look", func() error { f.PeekMany(ctx, []int{1, 2}); f.HasMany(ctx, []int{1, 2}); return nil }, "get 2, get 2"},
			{"a set", func() error { return f.Set(ctx, 1, 1) }, "set"},
			{"an invalidation", func() error { return f.Invalidate(ctx, 1) }, "delete"},
		} {
			noError(t, step.do())
			if got := strings.Join(w.made(), ", "); got != step.want {
				t.Errorf("%s: %q, want %q", step.what, got, step.want)
			}
		}
		if got, err := f.CallMany(ctx, []int{3, 9, 3}); err != nil || !slices.Equal(got, []int{9, 81, 9}) {
			t.Errorf("%v, %v", got, err)
		}
		if loads != 3 {
			t.Errorf("%d loads", loads)
		}
	})
}

func TestBatchOverAStoreWithoutFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w := context.Background(), newWire()
		s := share(t, struct {
			plain
			storage.BulkBytes
		}{plain{w}, w})
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []int) (map[int]int, error) {
			values := map[int]int{}
			for _, k := range keys {
				values[k] = k
			}
			return values, nil
		}, config.Store(s), config.Name("same")))
		_, err := f.CallMany(ctx, []int{1, 2, 3})
		noError(t, err)
		if got := strings.Join(w.made(), ", "); got != "get 3, set 3" {
			t.Errorf("%q", got)
		}
	})
}

func TestG2LifeIsToldByTheStoresClock(t *testing.T) {
	ctx := context.Background()
	server, here, there := clock.NewMock(), clock.NewMock(), clock.NewMock()
	there.Set(here.Now().Add(5 * time.Hour)) // its wall clock is wrong
	b := storage.NewMemory(storage.MemoryClock(server))
	s := returning[string, string]("v")
	one := process(t, b, s.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Clock(here))
	two := process(t, b, s.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Clock(there))
	pass := func(d time.Duration) {
		for _, c := range []*clock.Mock{server, here, there} {
			c.Add(d)
		}
	}
	noError(t, one.Set(ctx, "a", "v"))
	for _, step := range []struct {
		pass  time.Duration
		state string
	}{{59 * time.Second, "fresh"}, {time.Second, "stale"}} {
		pass(step.pass)
		r, err := two.Result(ctx, "a")
		noError(t, err)
		noError(t, two.Wait(ctx))
		if r.State.String() != step.state {
			t.Errorf("%v, want %s", r.State, step.state)
		}
	}
	noError(t, one.Set(ctx, "b", "v"))
	pass(time.Hour - time.Nanosecond)
	if !two.Has(ctx, "b") {
		t.Error("gone before its end")
	}
	pass(time.Nanosecond)
	if two.Has(ctx, "b") {
		t.Error("there at its end")
	}
}

func TestSharedKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, w := context.Background(), newWire()
		s := returning[string, string]("v")
		one := process(t, w, s.load, config.Schema(3))
		text, err := one.Key("a:b*")
		noError(t, err)
		if text != `svc:users:3:"a:b*"` {
			t.Errorf("key %s", text)
		}
		noError(t, one.Set(ctx, "a:b*", "x"))
		if r, err := w.Memory.Get(ctx, text); err != nil || !r.Found {
			t.Errorf("%v, %v", r, err)
		}
		if two := process(t, w, s.load, config.Schema(4)); two.Has(ctx, "a:b*") {
			t.Error("another schema finds it")
		}
		if two := process(t, w, s.load, config.Schema(3)); !two.Has(ctx, "a:b*") {
			t.Error("the same schema does not find it")
		}
	})
}

func TestSharedLongKeysAreHashed(t *testing.T) {
	ctx := context.Background()
	s := returning[string, string]("v")
	f := process(t, short{newWire()}, s.load)
	long, other := strings.Repeat("x", 100), strings.Repeat("x", 99)+"y"
	noError(t, f.Set(ctx, long, "1"))
	noError(t, f.Set(ctx, other, "2"))
	for key, want := range map[string]string{long: "1", other: "2"} {
		wants(t, want)(f.Call(ctx, key))
		text, err := f.Key(key)
		noError(t, err)
		if len(text) > 60 || !strings.HasPrefix(text, "svc:users:0:#") {
			t.Errorf("key %s of %d bytes", text, len(text))
		}
	}
}

type short struct{ storage.Bytes }

func (short) MaxKey() int { return 60 }

func TestSharedNames(t *testing.T) {
	s := share(t, newWire())
	source := func(context.Context, int) (int, error) { return 1, nil }
	if _, err := memoize.New(source, config.Store(s)); err == nil || !strings.Contains(err.Error(), "config.Name") {
		t.Errorf("a closure without a name: %v", err)
	}
	first := memoize.Must(memoize.New(source, config.Store(s), config.Name("one")))
	if _, err := memoize.New(source, config.Store(s), config.Name("one")); err == nil || !strings.Contains(err.Error(), "config.Name") {
		t.Errorf("a second of one name: %v", err)
	}
	noError(t, first.Close(context.Background()))
	memoize.Must(memoize.New(source, config.Store(s), config.Name("one")))
	memoize.Must(memoize.New(double, config.Store(s))) // a function of a package has a name that stays
}

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

func TestSharedReconfiguration(t *testing.T) {
	ctx := context.Background()
	w := newWire()
	s := share(t, w)
	src := returning[string, string]("v")
	live := config.Mutable(config.InMemory[string, string](config.Capacity(2)))
	f := memoize.Must(memoize.Memoize(src.load, live, config.Name("users")))
	for _, step := range []struct {
		what string
		opts []config.Option
	}{
		{"a store", []config.Option{config.Store(s)}},
		{"the same store again", []config.Option{config.Store(s)}},
		{"a schema", []config.Option{config.Schema(1)}},
		{"memory", []config.Option{config.Storage(storage.NewInMemory[string, string]())}},
		{"back to the store", []config.Option{config.Store(s)}},
	} {
		if err := live.Apply(step.opts...); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		for i := range 5 {
			wants(t, "v")(f.Call(ctx, fmt.Sprint(i)))
		}
		noError(t, f.Wait(ctx)) // a load releases what has to go after it has answered
		if n := f.Len(); step.what == "memory" && n != 2 {
			t.Errorf("%s: %d entries, and the capacity before the store was 2", step.what, n)
		}
	}
	if n := w.Memory.Len(); n != 10 { // five of each schema: no strategy releases from the store
		t.Errorf("%d records", n)
	}
	for _, bad := range [][]config.Option{
		{config.Schema(-1)},
		{config.Store(nil)},
		{config.Store(s), config.Storage(storage.NewInMemory[string, string]())},
	} {
		if live.Apply(bad...) == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
	if _, err := memoize.New(double, config.Schema(1)); err == nil {
		t.Error("a schema without a store is accepted")
	}
	if _, err := memoize.New(func(context.Context, *program) (*user, error) { return nil, nil }, config.IdentityKeys(), config.Name("p"), config.Store(s)); err == nil {
		t.Error("keys that are addresses are accepted in a store")
	}
}

func TestG9WhatCantBeReadIsAMissAndIsOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, s := context.Background(), newWire(), returning[string, string]("v")
		var j journal
		f := process(t, w, s.load, config.Observe(observe.Func(func(_ context.Context, e observe.Event) { j.add("%v", e.Kind) })))
		key, err := f.Key("a")
		noError(t, err)
		noError(t, w.Memory.Set(ctx, key, []byte("garbage"), time.Hour))
		wants(t, "v")(f.Call(ctx, "a"))
		wants(t, "v")(f.Call(ctx, "a"))
		wantCalls(t, s, 1)
		j.exactly(t, observe.StoreFault.String(), 1)

		noError(t, w.Memory.Set(ctx, key, nil, time.Hour)) // one of many
		got, err := f.CallMany(ctx, []string{"b", "a", "c"})
		noError(t, err)
		if !slices.Equal(got, []string{"v", "v", "v"}) {
			t.Errorf("%v", got)
		}
	})
}

func TestTouchOfWhatCantBeReadIsAMiss(t *testing.T) {
	ctx, w := context.Background(), newWire()
	f := process(t, w, returning[string, string]("v").load)
	key, err := f.Key("a")
	noError(t, err)
	noError(t, w.Memory.Set(ctx, key, []byte("garbage"), time.Hour))
	if ok, err := f.Touch(ctx, "a"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// What is read from a store is made anew for each read: the strategy is told of
// the read all the same.
func TestStrategiesSeeReadsOfAStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, w := context.Background(), newWire()
		f := process(t, w, returning[string, string]("v").load, config.Evict(eviction.LeastRecentlyUsed[string](2)))
		for _, arg := range []string{"a", "b", "a", "c"} {
			wants(t, "v")(f.Call(ctx, arg))
			noError(t, f.Wait(ctx))
		}
		if !f.Has(ctx, "a") || f.Has(ctx, "b") || !f.Has(ctx, "c") {
			t.Error("it is not the least recently used that went")
		}
	})
}

// A value that the store won't have is its own matter: the others of its batch
// are stored, and not in doubt.
func TestG9OneOfABatchIsNotStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, w := context.Background(), &wire{Memory: storage.NewMemory(storage.MemoryCapacity(10_000)), fail: map[string]error{}, hold: map[string]chan struct{}{}}
		load := func(_ context.Context, args []string) (map[string]string, error) {
			found := map[string]string{}
			for _, arg := range args {
				found[arg] = arg
				if arg == "large" {
					found[arg] = strings.Repeat("x", 20_000)
				}
			}
			return found, nil
		}
		for name, b := range map[string]storage.Bytes{"fenced": w, "not fenced": unfenced{w, w}} {
			f, err := memoize.NewBatched(load, config.Store(share(t, b)), config.Name(name), config.Logger(quiet))
			must(t, f, err)
			for range 2 {
				got, err := f.CallMany(ctx, []string{"a", "large", "b"})
				if err != nil || len(got[1]) != 20_000 {
					t.Errorf("%s: %d bytes, %v", name, len(got[1]), err)
				}
			}
			if f.Stats().StoreFaults != 2 || !f.Has(ctx, "a") || !f.Has(ctx, "b") || f.Has(ctx, "large") {
				t.Errorf("%s: %d faults; found: %v, %v, and large %v", name, f.Stats().StoreFaults, f.Has(ctx, "a"), f.Has(ctx, "b"), f.Has(ctx, "large"))
			}
		}
	})
}

// unfenced is a store of many without claims.
type unfenced struct {
	storage.Bytes
	storage.BulkBytes
}

// queueing is a store that is away: what is to be stored waits, and so does what is
// to be deleted.
type queueing struct{ *storage.Memory }

func (q queueing) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return errors.Join(q.Memory.Set(ctx, key, value, keep), storage.ErrQueued)
}

func (q queueing) Delete(ctx context.Context, key string) (bool, error) {
	existed, err := q.Memory.Delete(ctx, key)
	return existed, errors.Join(err, storage.ErrQueued)
}

// A value that waits for its store is served; an invalidation that waits is none for
// other processes, and says so.
func TestG9WhatWaitsForTheStore(t *testing.T) {
	ctx, src := context.Background(), returning[string, string]("v")
	f := process(t, plain{queueing{storage.NewMemory()}}, src.load)
	wants(t, "v")(f.Call(ctx, "a"))
	wants(t, "v")(f.Call(ctx, "a"))
	wantCalls(t, src, 1)
	if n := f.Stats().StoreFaults; n > 0 {
		t.Errorf("%d faults", n)
	}
	if err := f.Invalidate(ctx, "a"); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, storage.ErrQueued) {
		t.Errorf("Invalidate: %v", err)
	}
	wants(t, "v")(f.Call(ctx, "a"))
	wantCalls(t, src, 2)
}

// Many keys are changed side by side, and not a trip after the other.
func TestChangesOfManyOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := process(t, tardy{storage.NewMemory()}, returning[string, string]("v").load)
		args, values := make([]string, 64), make([]string, 64)
		for i := range args {
			args[i] = fmt.Sprint(i)
		}
		for name, change := range map[string]func() error{
			"SetMany":        func() error { return f.SetMany(ctx, args, values) },
			"InvalidateMany": func() error { return f.InvalidateMany(ctx, args) },
		} {
			began := time.Now()
			noError(t, change())
			if took := time.Since(began); took != 4*10*time.Millisecond {
				t.Errorf("%s takes %v: 64 trips of 10ms, of which 16 are made at once", name, took)
			}
		}
	})
}

// tardy is a store each of whose changes takes 10 ms.
type tardy struct{ storage.Bytes }

func (s tardy) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	time.Sleep(10 * time.Millisecond)
	return s.Bytes.Set(ctx, key, value, keep)
}

func (s tardy) Delete(ctx context.Context, key string) (bool, error) {
	time.Sleep(10 * time.Millisecond)
	return s.Bytes.Delete(ctx, key)
}
