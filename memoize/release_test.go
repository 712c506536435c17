package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// blob is a value that must leave exactly once.
type blob struct {
	n    int
	left atomic.Int32
}

// ledger makes blobs and is told of those that leave.
type ledger struct {
	t    *testing.T
	mu   sync.Mutex
	all  []*blob
	told []string
	hook func(key string, b *blob, why observe.ReleaseCause)
}

func (l *ledger) make() *blob {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &blob{n: len(l.all) + 1}
	l.all = append(l.all, b)
	return b
}

func (l *ledger) load(context.Context, string) (*blob, error) { return l.make(), nil }

func (l *ledger) release(key string, b *blob, why observe.ReleaseCause) {
	if b.left.Add(1) != 1 {
		l.t.Errorf("%s %d is told again: %v", key, b.n, why)
	}
	l.mu.Lock()
	l.told = append(l.told, fmt.Sprintf("%s%d %v", key, b.n, why))
	l.mu.Unlock()
	if l.hook != nil {
		l.hook(key, b, why)
	}
}

// tells checks what was told since the last time, in any order.
func (l *ledger) tells(want ...string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.told)
	slices.Sort(want)
	if !slices.Equal(l.told, want) {
		l.t.Errorf("told %q, want %q", l.told, want)
	}
	l.told = nil
}

// leaves checks that every blob has left but for those given.
func (l *ledger) leaves(held ...*blob) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.all {
		want := int32(1)
		if slices.Contains(held, b) {
			want = 0
		}
		if got := b.left.Load(); got != want {
			l.t.Errorf("blob %d of %d has left %d times, want %d", b.n, len(l.all), got, want)
		}
	}
}

func tellingOfReleases(l *ledger, opts ...config.Option) []config.Option {
	return with(append([]config.Option{config.OnRelease(l.release), config.Logger(discardLog)}, opts...)...)
}

// Every way out is told once, with its cause.
func TestOnRelease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, ctx := &ledger{t: t}, t.Context()
		live := config.Mutable(config.InMemory[string, *blob](with(config.OnRelease(l.release), config.Evict(eviction.LeastRecentlyUsed[string](2)))...))
		f := memoize.Must(memoize.Memoize(l.load, live, config.Logger(discardLog)))
		load := func(key string) {
			_, err := f.Call(ctx, key)
			noError(t, err)
			settled(t, f)
		}
		load("a")
		load("a") // a hit
		l.tells()
		load("b")
		load("c")
		l.tells("a1 evicted")
		noError(t, f.Set(ctx, "b", l.make()))
		l.tells("b2 replaced")
		_, err := f.Refresh(ctx, "c")
		noError(t, err)
		settled(t, f)
		l.tells("c3 replaced")
		time.Sleep(2 * time.Minute)
		load("c") // stale
		settled(t, f)
		l.tells("c5 replaced")
		ok, err := f.Touch(ctx, "c")
		if noError(t, err); !ok {
			t.Error("not touched")
		}
		l.tells() // it stays
		noError(t, f.Invalidate(ctx, "b"))
		l.tells("b4 invalidated")
		time.Sleep(time.Hour + time.Second)
		l.tells("c6 expired")
		load("d")
		load("e")
		noError(t, f.InvalidateAll(ctx))
		l.tells("d7 invalidated", "e8 invalidated")
		load("f")
		_, err = f.Update(ctx, "f", func(*blob, bool) (*blob, error) { return l.make(), nil })
		noError(t, err)
		l.tells("f9 replaced")
		_, err = f.Update(ctx, "f", func(old *blob, _ bool) (*blob, error) { return old, nil })
		noError(t, err)
		l.tells() // it is the same
		noError(t, live.Apply(config.Storage[string, *blob](storage.NewInMemory[string, *blob]())))
		l.tells("f10 cleared")
		load("g")
		noError(t, f.Close(ctx))
		l.tells("g11 closed")
		noError(t, f.Close(ctx))
		l.tells()
		l.leaves()
		if n := f.Len(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// What never comes to the storage is told as well, and once.
func TestOnReleaseOfWhatWasNeverStored(t *testing.T) {
	for name, test := range map[string]struct {
		opts []config.Option
		do   func(t *testing.T, l *ledger, f *memoize.Func[string, *blob], open func())
		want []string
	}{
		"invalidated while it loads": {nil, func(t *testing.T, _ *ledger, f *memoize.Func[string, *blob], _ func()) {
			noError(t, f.Invalidate(t.Context(), "k"))
		}, []string{"k1 never stored"}},
		"set while it loads": {nil, func(t *testing.T, l *ledger, f *memoize.Func[string, *blob], _ func()) {
			noError(t, f.Set(t.Context(), "k", l.make()))
		}, []string{"k1 never stored"}},
		"late, after something newer": {[]config.Option{config.MethodTimeout(time.Second)}, func(t *testing.T, l *ledger, f *memoize.Func[string, *blob], _ func()) {
			time.Sleep(2 * time.Second)
			noError(t, f.Set(t.Context(), "k", l.make()))
		}, []string{"k1 never stored"}},
		"late, and stored": {[]config.Option{config.MethodTimeout(time.Second)}, func(*testing.T, *ledger, *memoize.Func[string, *blob], func()) { time.Sleep(2 * time.Second) }, nil},
		"its life is over": {[]config.Option{config.UpdateAfter(0), config.ExpireAfter(0)}, func(*testing.T, *ledger, *memoize.Func[string, *blob], func()) {}, []string{"k1 never stored"}},
		"it has no weight": {[]config.Option{config.Capacity(5), config.Weigh(func(string, *blob) int { return 0 })}, func(*testing.T, *ledger, *memoize.Func[string, *blob], func()) {}, []string{"k1 never stored"}},
		"weighing panics":  {[]config.Option{config.Capacity(5), config.Weigh(func(string, *blob) int { panic("no") })}, func(*testing.T, *ledger, *memoize.Func[string, *blob], func()) {}, []string{"k1 never stored"}},
		"too heavy":        {[]config.Option{config.Capacity(5), config.Weigh(func(string, *blob) int { return 9 })}, func(*testing.T, *ledger, *memoize.Func[string, *blob], func()) {}, []string{"k1 evicted"}},
		"closed meanwhile": {nil, func(t *testing.T, _ *ledger, f *memoize.Func[string, *blob], open func()) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var left *memoize.CloseError
			if err := f.Close(ctx); !errors.As(err, &left) {
				t.Errorf("got %v", err)
			}
		}, []string{"k1 closed"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, gate := &ledger{t: t}, make(chan struct{})
				f := memoize.Must(memoize.New(func(context.Context, string) (*blob, error) {
					b := l.make()
					<-gate
					return b, nil
				}, tellingOfReleases(l, test.opts...)...))
				done := begin(1, func() (*blob, error) { return f.Call(t.Context(), "k") })
				open := sync.OnceFunc(func() { close(gate) })
				test.do(t, l, f, open)
				open()
				done()
				synctest.Wait()
				l.tells(test.want...)
				_ = f.Close(t.Context())
				l.leaves()
			})
		})
	}
}

// NoStore: callers have the value and the storage does not; where it is what is stored
// already, it stays.
func TestOnReleaseOfNoStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := &ledger{t: t}
		again := l.make()
		source := func(_ context.Context, key string) (*blob, error) {
			if key == "again" {
				return again, memoize.NoStore
			}
			return l.make(), memoize.NoStore
		}
		f := memoize.Must(memoize.New(source, tellingOfReleases(l)...))
		_, err := f.Call(t.Context(), "k")
		noError(t, err)
		noError(t, f.Set(t.Context(), "again", again))
		_, err = f.Refresh(t.Context(), "again")
		noError(t, err)
		settled(t, f)
		l.tells("k2 never stored")
		noError(t, f.Close(t.Context()))
		l.tells("again1 closed")
	})
}

// A batch tells of each of its keys.
func TestOnReleaseOfABatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := &ledger{t: t}
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]*blob, error) {
			slices.Sort(keys)
			values := map[string]*blob{}
			for _, k := range keys {
				values[k] = l.make()
			}
			time.Sleep(time.Second)
			return values, nil
		}, tellingOfReleases(l, config.Evict(eviction.LeastRecentlyUsed[string](2)))...))
		done := begin(1, func() ([]*blob, error) { return f.CallMany(t.Context(), []string{"a", "b", "c", "d"}) })
		noError(t, f.Invalidate(t.Context(), "b"))
		done()
		settled(t, f)
		l.tells("b2 never stored", "a1 evicted")
		noError(t, f.Close(t.Context()))
		l.tells("c3 closed", "d4 closed")
	})
}

// A Set that something newer has overtaken is told; one that fails is its caller's.
func TestOnReleaseOfASet(t *testing.T) {
	l := &ledger{t: t}
	f := memoize.Must(memoize.New(l.load, tellingOfReleases(l)...))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := l.make()
	if err := f.Set(ctx, "k", b); err == nil {
		t.Error("it is set")
	}
	l.tells()
	l.leaves(b)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				noErrorIn(t, f.Set(t.Context(), "k", l.make()))
				noErrorIn(t, f.Invalidate(t.Context(), "k"))
			}
		})
	}
	all.Wait()
	noError(t, f.Close(t.Context()))
	l.leaves(b)
}

// What a Restore replaces and what it does not store are told.
func TestOnReleaseOfARestore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told []string
		f := memoize.Must(memoize.New(func(context.Context, string) (string, error) { return "loaded", nil }, with(config.Name("f"),
			config.OnRelease(func(key, value string, why observe.ReleaseCause) { told = append(told, key+" "+value+" "+why.String()) }))...))
		noError(t, f.Set(t.Context(), "newer", "old"))
		time.Sleep(time.Second)
		noError(t, f.Set(t.Context(), "older", "new"))
		var file bytes.Buffer
		_, err := f.Save(t.Context(), &file)
		noError(t, err)
		noError(t, f.Invalidate(t.Context(), "older"))
		time.Sleep(time.Second)
		noError(t, f.Set(t.Context(), "newer", "newest"))
		told = nil
		n, err := f.Restore(t.Context(), &file)
		if noError(t, err); n != 1 || fmt.Sprint(told) != "[newer old never stored]" {
			t.Errorf("%d are restored, told %q", n, told)
		}
	})
}

// Who is told may call the function, for the same key too, under the tightest limits; may
// block, which holds up nobody else; and may panic or end its goroutine, which costs nobody
// else the news.
func TestOnReleaseThatMisbehaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, ctx := &ledger{t: t}, t.Context()
		f := memoize.Must(memoize.New(l.load, tellingOfReleases(l, config.MaxLoads(1), config.MaxBackground(1), config.Evict(eviction.LeastRecentlyUsed[string](2)))...))
		var told atomic.Int32
		l.hook = func(key string, _ *blob, why observe.ReleaseCause) {
			if told.Add(1) > 3 { // what it does is told as well
				return
			}
			began := time.Now()
			_, err := f.Call(ctx, key)
			noErrorIn(t, err)
			_, err = f.Call(ctx, key+"'")
			noErrorIn(t, err)
			_, err = f.Update(ctx, key, func(*blob, bool) (*blob, error) { return l.make(), nil })
			noErrorIn(t, err)
			noErrorIn(t, f.Invalidate(ctx, key))
			if took := time.Since(began); took != 0 {
				t.Errorf("it took %v", took)
			}
		}
		for _, key := range []string{"a", "b", "c"} {
			_, err := f.Call(ctx, key)
			noError(t, err)
			settled(t, f)
		}
		noError(t, f.Set(ctx, "c", l.make()))
		_, err := f.Update(ctx, "c", func(*blob, bool) (*blob, error) { return l.make(), nil })
		noError(t, err)
		if told.Load() <= 3 {
			t.Errorf("%d are told", told.Load())
		}

		l.hook = func(string, *blob, observe.ReleaseCause) { panic("no") }
		noError(t, f.InvalidateAll(ctx))
		if s := f.Stats(); s.Panics == 0 {
			t.Error("the panics are not counted")
		}
		l.hook = nil
		for _, key := range []string{"x", "y"} {
			_, err := f.Call(ctx, key)
			noError(t, err)
		}
		l.hook = func(string, *blob, observe.ReleaseCause) { runtime.Goexit() }
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = f.Close(ctx) // its goroutine ends with the first
		}()
		<-done
		l.leaves()
	})
	bubble(t, func(t *testing.T) {
		l, ctx, stuck := &ledger{t: t}, t.Context(), make(chan struct{})
		f := memoize.Must(memoize.New(l.load, tellingOfReleases(l, config.MaxLoads(1))...))
		l.hook = func(string, *blob, observe.ReleaseCause) { <-stuck }
		_, err := f.Call(ctx, "k")
		noError(t, err)
		blocked := begin(1, func() (*blob, error) { return f.Refresh(ctx, "k") })()
		noError(t, blocked[0].err) // its load waits for who is told, and not its caller
		for _, key := range []string{"k", "other"} {
			_, err := f.Call(ctx, key)
			noError(t, err)
		}
		close(stuck)
		settled(t, f)
		noError(t, f.Close(ctx))
		l.leaves()
	})
}

// Whatever comes at once, every value leaves exactly once: by loads, refreshes, Sets,
// Updates, evictions, invalidations, storages that are swapped, and Close in the middle of it.
func TestOnReleaseExactlyOnce(t *testing.T) {
	l := &ledger{t: t}
	live := config.Mutable(config.InMemory[string, *blob](config.OnRelease(l.release), config.UpdateAfter(0), config.ExpireAfter(time.Hour), config.Capacity(8)))
	f := memoize.Must(memoize.Memoize(l.load, live, config.Logger(discardLog)))
	ctx := t.Context()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 400 {
				key := fmt.Sprint((g*3 + i*5) % 20)
				switch i % 10 {
				case 1:
					if b := l.make(); f.Set(ctx, key, b) != nil {
						l.release(key, b, observe.ReleaseNeverStored) // closed: it is the caller's
					}
				case 3:
					_ = f.Invalidate(ctx, key)
				case 5:
					_, _ = f.Update(ctx, key, func(old *blob, ok bool) (*blob, error) {
						if ok && i%20 == 5 { // it stays
							return old, nil
						}
						return l.make(), nil
					})
				case 7:
					_, _ = f.Touch(ctx, key)
				case 9:
					if g == 0 {
						noErrorIn(t, live.Apply(config.Storage[string, *blob](storage.NewInMemory[string, *blob]())))
					}
				}
				_, _ = f.Call(ctx, key)
				if g == 7 && i == 350 {
					noErrorIn(t, f.Close(ctx))
				}
			}
		})
	}
	all.Wait()
	noError(t, f.Close(ctx))
	l.leaves()
}

// Over what is no storage in memory, and for other types, it is refused, with both types.
func TestOnReleaseRefused(t *testing.T) {
	m := storage.NewMemory()
	defer m.Close()
	l := &ledger{t: t}
	other := func(key int, value string, why observe.ReleaseCause) {}
	for name, test := range map[string]struct {
		opts []config.Option
		says []string
	}{
		"a store":         {[]config.Option{config.OnRelease(l.release), config.Name("f"), sharing(t, m)}, []string{"*storage.InMemory", "leave OnRelease out"}},
		"another storage": {[]config.Option{config.OnRelease(l.release), config.Storage[string, *blob](&mockStorage[string, *blob]{})}, []string{"*storage.InMemory"}},
		"another type":    {[]config.Option{config.OnRelease(other)}, []string{"func(int, string, observe.ReleaseCause)", "func(string, *memoize_test.blob, observe.ReleaseCause)"}},
		"nil":             {[]config.Option{config.OnRelease[string, *blob](nil)}, []string{"leave the option out"}},
	} {
		_, err := memoize.New(l.load, test.opts...)
		for _, says := range test.says {
			if says = strings.ReplaceAll(says, "memoize_test", "command-line-arguments_test"); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "memoize_test", "command-line-arguments_test"), says) {
				t.Errorf("%s: got %v, want what says %q", name, err, says)
			}
		}
	}
	live := config.Mutable(config.InMemory[string, *blob](config.OnRelease(l.release)))
	f := memoize.Must(memoize.Memoize(l.load, live))
	if err := live.Apply(config.Storage[string, *blob](&mockStorage[string, *blob]{})); err == nil {
		t.Error("a storage that is not in memory is applied")
	}
	noError(t, f.Close(t.Context()))
}

// Causes have names for labels of metrics.
func TestReleaseCauseNames(t *testing.T) {
	for why, want := range map[observe.ReleaseCause]string{
		0: "unknown cause", observe.ReleaseEvicted: "evicted", observe.ReleaseExpired: "expired", observe.ReleaseReplaced: "replaced", observe.ReleaseInvalidated: "invalidated",
		observe.ReleaseCleared: "cleared", observe.ReleaseClosed: "closed", observe.ReleaseNeverStored: "never stored", 99: "unknown cause",
	} {
		if why.String() != want {
			t.Errorf("%d is %q, want %q", why, why, want)
		}
	}
}

// An answer is no value, and a value that a source calls unchanged stays.
func TestOnReleaseOfAnswersAndOldValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex // sweeps tell on another goroutine
		var told []string
		var err error
		unchanged := false
		f, made := memoize.New(func(ctx context.Context, _ string) (int, error) {
			l, _ := memoize.LoadOf[int](ctx)
			if unchanged {
				return l.Unchanged()
			}
			return 1, err
		}, config.Remember(time.Minute, errNone), config.Gone(errGone), config.StaleIfError(time.Minute), config.ExpireAfter(time.Hour),
			config.OnRelease(func(key string, v int, why observe.ReleaseCause) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(key, v, " ", why))
			}))
		madeOf(t, f, made)
		ctx := t.Context()
		check := func(step string, want ...string) {
			t.Helper()
			settled(t, f)
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(told, want) {
				t.Errorf("%s: told of %q, want %q", step, told, want)
			}
			told = nil
		}
		wants(t, 1)(f.Call(ctx, "a"))
		unchanged = true
		wants(t, 1)(f.Refresh(ctx, "a"))
		check("unchanged")
		unchanged, err = false, errNone
		_, _ = f.Refresh(ctx, "a")
		check("an answer takes its place", "a1 replaced")
		err = nil
		wants(t, 1)(f.Refresh(ctx, "a"))
		check("a value takes that of an answer")
		err = errGone
		_, _ = f.Refresh(ctx, "a")
		check("gone", "a1 invalidated")
		err = errNone
		_, _ = f.Call(ctx, "a")
		noError(t, f.Invalidate(ctx, "a"))
		check("an answer is invalidated")
		err = nil
		wants(t, 1)(f.Call(ctx, "a"))
		time.Sleep(time.Hour + 30*time.Second)
		check("it has expired, and is kept")
		time.Sleep(31 * time.Second)
		check("its time is over", "a1 expired")
	})
}

// A value that stays leaves once, also where its storage is swapped and emptied while its
// life is made anew: what has left is not put back.
func TestOnReleaseOfWhatIsTouchedWhileItLeaves(t *testing.T) {
	for name, again := range map[string]func(f *memoize.Func[string, *blob]) error{
		"Touch": func(f *memoize.Func[string, *blob]) error {
			if touched, err := f.Touch(context.Background(), "a"); touched || err != nil {
				return fmt.Errorf("Touch says %v, %w", touched, err)
			}
			return nil
		},
		"Unchanged": func(f *memoize.Func[string, *blob]) error {
			_, err := f.Refresh(context.Background(), "a")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &ledger{t: t}
			var live *config.Live[string, string, *blob]
			built := 0
			live = config.Mutable(config.InMemory[string, *blob](config.OnRelease(l.release), config.Builder[string](entry.LifeOf[string](func(*blob) entry.Life {
				if built++; built == 2 { // after it was looked for, before it is stored
					noError(t, live.Apply(config.Storage[string, *blob](storage.NewInMemory[string, *blob]())))
				}
				return entry.Life{ExpireAfter: time.Hour}
			}))))
			f := memoize.Must(memoize.Memoize(func(ctx context.Context, key string) (*blob, error) {
				if old, ok := memoize.LoadOf[*blob](ctx); ok && old.HasOld {
					return old.Unchanged()
				}
				return l.load(ctx, key)
			}, live, config.Logger(discardLog)))
			_, err := f.Call(t.Context(), "a")
			noError(t, err)
			noError(t, again(f))
			noError(t, f.Close(t.Context()))
			l.leaves()
		})
	}
}
