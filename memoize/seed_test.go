package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// The tests of this file are what py-memoize's own tests assert, in their
// order, with their numbers of milliseconds.

// showcase plays the seed's showcase up to a step. Its steps are the tests
// TestSeed01 to TestSeed07.
func showcase(t *testing.T, last int) {
	four := errors.New("throws #4")
	steps := []struct {
		after time.Duration
		ok    string // what the source returns from here on
		err   error
		want  string // nothing: an error
		calls int    // of the source, once everything has come to rest
	}{
		{0, "ok #1", nil, "ok #1", 1},
		{400 * time.Millisecond, "ok #2", nil, "ok #1", 2},
		{100 * time.Millisecond, "ok #3", nil, "ok #2", 2},
		{100 * time.Millisecond, "", errors.New("throws #1"), "ok #2", 2},
		{400 * time.Millisecond, "", errors.New("throws #2"), "ok #2", 3},
		{100 * time.Millisecond, "", errors.New("throws #3"), "ok #2", 4},
		{800 * time.Millisecond, "", four, "", 5},
	}
	bubble(t, func(t *testing.T) {
		source := returning[args]("")
		f := memoize.Must(memoize.NewKeyed(source.load, seedKey,
			config.UpdateAfter(400*time.Millisecond), config.ExpireAfter(800*time.Millisecond)))
		for _, s := range steps[:last] {
			time.Sleep(s.after)
			if s.err != nil {
				source.fails(s.err)
			} else {
				source.returns(s.ok)
			}
			got, err := f.Call(t.Context(), args{"test", "args"})
			if s.want != "" {
				wants(t, s.want)(got, err)
			} else {
				l := loadError(t, err, memoize.Failed, s.err)
				if l.Err != s.err {
					t.Fatalf("the cause is %v, want %v", l.Err, s.err)
				}
			}
			settled(t, f)
			wantCalls(t, source, s.calls)
		}
	})
}

func TestSeed01ShowcaseFirstCallWaits(t *testing.T)     { showcase(t, 1) }
func TestSeed02ShowcaseStaleIsServed(t *testing.T)      { showcase(t, 2) } // G3
func TestSeed03ShowcaseRefreshed(t *testing.T)          { showcase(t, 3) }
func TestSeed04ShowcaseFreshDespiteOutage(t *testing.T) { showcase(t, 4) }
func TestSeed05ShowcaseStaleDespiteOutage(t *testing.T) { showcase(t, 5) } // G8
func TestSeed06ShowcaseTriesAgain(t *testing.T)         { showcase(t, 6) } // G8
func TestSeed07ShowcaseExpiredFails(t *testing.T)       { showcase(t, 7) } // G2

// seedKey is the key that the seed makes of arguments by default.
func seedKey(a args) string { return fmt.Sprintf("('%s', '%s')", a.A, a.B) }

// wave is what behaviours 8 to 11 share: a call when the source returns 0, and
// 200 ms later, when it returns 1, three at once.
func wave(t *testing.T, between func(t *testing.T, f *memoize.Func[args, *user]), want, calls int, opts ...config.Option) {
	bubble(t, func(t *testing.T) {
		source := returning[args](&user{N: 0})
		source.takes = 10 * time.Millisecond
		f := memoize.Must(memoize.New(source.load, opts...))
		call := func() (int, error) { return number(f.Call(t.Context(), args{"test", "args"})) }
		wants(t, 0)(call())
		time.Sleep(200 * time.Millisecond)
		source.returns(&user{N: 1})
		if between != nil {
			between(t, f)
		}
		allWant(t, want, together(3, call))
		settled(t, f)
		wantCalls(t, source, calls)
	})
}

func TestSeed08ThreeConcurrentCallsWithinLife(t *testing.T) {
	wave(t, nil, 0, 1, config.UpdateAfter(time.Minute), config.ExpireAfter(2*time.Minute))
}

// G1, G2.
func TestSeed09ThreeConcurrentCallsAfterExpiry(t *testing.T) {
	wave(t, nil, 1, 2, config.UpdateAfter(50*time.Millisecond), config.ExpireAfter(100*time.Millisecond))
}

// G1, G3.
func TestSeed10ThreeConcurrentCallsOnStale(t *testing.T) {
	wave(t, nil, 0, 2, config.UpdateAfter(100*time.Millisecond), config.ExpireAfter(5*time.Minute))
}

func TestSeed11ThreeConcurrentCallsAfterRefresh(t *testing.T) {
	between := func(t *testing.T, f *memoize.Func[args, *user]) {
		wants(t, 0)(number(f.Call(t.Context(), args{"test", "args"})))
		settled(t, f)
	}
	wave(t, between, 1, 2, config.UpdateAfter(100*time.Millisecond), config.ExpireAfter(5*time.Minute))
}

// twoKeys calls under the defaults with one argument, and 200 ms later, when
// the source returns another value, with another.
func twoKeys(t *testing.T, a, b args, wantSecond int, opts ...config.Option) {
	bubble(t, func(t *testing.T) {
		source := returning[args](&user{N: 0})
		f := memoize.Must(memoize.New(source.load, opts...))
		wants(t, 0)(number(f.Call(t.Context(), a)))
		time.Sleep(200 * time.Millisecond)
		source.returns(&user{N: 1})
		wants(t, wantSecond)(number(f.Call(t.Context(), b)))
		wants(t, 0)(number(f.Call(t.Context(), a)))
	})
}

// G12.
func TestSeed12PositionalArgumentsApart(t *testing.T) {
	twoKeys(t, args{"test1", "args"}, args{"test2", "args"}, 1)
}

// G12.
func TestSeed13KeywordArgumentsApart(t *testing.T) {
	twoKeys(t, args{"test", "args1"}, args{"test", "args2"}, 1)
}

// G8: a failure is not cached.
func TestSeed14SourceFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stub := errors.New("stub0")
		source := returning[args]((*user)(nil))
		source.fails(stub)
		f := memoize.Must(memoize.New(source.load))
		for i := range 3 {
			_, err := f.Call(t.Context(), args{"test", "args"})
			loadError(t, err, memoize.Failed, stub)
			wantCalls(t, source, i+1)
		}
	})
}

// The source's own cancellation is a failure of the load like any other.
func TestSeed15SourceIsCancelledInside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(func(ctx context.Context, _ args) (*user, error) {
			inner, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Millisecond, cancel)
			select {
			case <-time.After(time.Second):
				return nil, nil
			case <-inner.Done():
				return nil, inner.Err()
			}
		}))
		for range 3 {
			_, err := f.Call(t.Context(), args{"test", "args"})
			loadError(t, err, memoize.Failed, context.Canceled)
		}
	})
}

// sleeping obeys its context, as what a coroutine does in the seed.
func sleeping(d time.Duration) func(context.Context, args) (*user, error) {
	return func(ctx context.Context, _ args) (*user, error) {
		select {
		case <-time.After(d):
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// timesOut checks that a call fails at the method timeout.
func timesOut(t *testing.T, f *memoize.Func[args, *user], timeout time.Duration) {
	t.Helper()
	began := time.Now()
	_, err := f.Call(t.Context(), args{"test", "args"})
	l := loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
	if !l.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Timeout() is %v, want true; matches context.DeadlineExceeded: %v, want false", l.Timeout(), errors.Is(err, context.DeadlineExceeded))
	}
	if took := time.Since(began); took != timeout {
		t.Fatalf("the call took %v, want %v", took, timeout)
	}
}

// G6.
func TestSeed16ThreeCallsTimeOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(sleeping(200*time.Millisecond), config.MethodTimeout(time.Millisecond)))
		for range 3 {
			timesOut(t, f, time.Millisecond)
		}
	})
}

func TestSeed17ConstantKey(t *testing.T) {
	keys := config.KeyOf(func(args) args { return args{A: "lol"} })
	twoKeys(t, args{"test1", "args1"}, args{"test2", "args2"}, 0, config.Keys(keys))
}

// G11.
func TestSeed18CapacityTwo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := storage.NewInMemory[string, string]()
		source := returning[args]("0")
		f := memoize.Must(memoize.NewKeyed(source.load, seedKey, config.Evict(eviction.LeastRecentlyUpdated[string](2)), config.Storage(store)))
		for i := 1; i <= 4; i++ {
			wants(t, "0")(f.Call(t.Context(), args{fmt.Sprintf("test%d", i), fmt.Sprintf("args%d", i)}))
		}
		settled(t, f)
		for i := 1; i <= 4; i++ {
			key := fmt.Sprintf("('test%d', 'args%d')", i, i)
			found, err := store.Get(t.Context(), key)
			if err != nil || (found != nil) != (i > 2) {
				t.Errorf("key %s: found %v, %v; want it there: %v", key, found, err, i > 2)
			}
		}
	})
}

func TestSeed19NotConfigured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[args]((*user)(nil))
		store := &mockStorage[args, *user]{}
		strategy := &mockStrategy[args]{}
		f := memoize.Must(memoize.New(source.load, config.Configured(false), config.Storage(store), config.Evict(strategy)))
		for range 2 {
			if _, err := f.Call(t.Context(), args{}); !errors.Is(err, memoize.ErrNotConfigured) {
				t.Fatalf("got %v, want ErrNotConfigured", err)
			}
		}
		wantCalls(t, source, 0)
		if touched := append(store.all(), strategy.all()...); len(touched) > 0 {
			t.Fatalf("parts were used: %q", touched)
		}
	})
}

func TestSeed20FailureHasItsCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[args]((*user)(nil))
		source.fails(errors.New("Get lost"))
		f := memoize.Must(memoize.New(source.load, config.Name("get_value")))
		_, err := f.Call(t.Context(), args{"test", "args"})
		var l *memoize.LoadError
		if !errors.As(err, &l) || l.Unwrap() == nil || l.Unwrap().Error() != "Get lost" || l.Func != "get_value" {
			t.Fatalf("got %v, want a *LoadError of get_value that unwraps to %q", err, "Get lost")
		}
	})
}

// G6.
func TestSeed21TimeOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(sleeping(200*time.Millisecond), config.MethodTimeout(100*time.Millisecond)))
		timesOut(t, f, 100*time.Millisecond)
	})
}

// keyed memoizes a source under the key "key", with mocks.
func keyed(source *scripted[args, string], opts ...config.Option) *memoize.Func[args, string] {
	return memoize.Must(memoize.NewKeyed(source.load, func(args) string { return "key" }, opts...))
}

var testArgs = args{"test", "args"}

func TestSeed22MarkWrittenOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &mockStrategy[string]{}
		f := keyed(returning[args]("value"), config.Evict(strategy))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		settled(t, f)
		strategy.exactly(t, "written key", 1)
	})
}

// G3: the second call returns before its refresh has.
func TestSeed23MarkWrittenOnceWhileRefreshRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &mockStrategy[string]{}
		source := returning[args]("value")
		f := keyed(source, config.Evict(strategy), config.UpdateAfter(100*time.Millisecond))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		time.Sleep(200 * time.Millisecond)
		open := source.holds()
		wants(t, "value")(f.Call(t.Context(), testArgs))
		strategy.exactly(t, "written key", 1)
		open()
		settled(t, f)
		strategy.exactly(t, "written key", 2)
	})
}

func TestSeed24MarkReadOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &mockStrategy[string]{}
		f := keyed(returning[args]("value"), config.Evict(strategy))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		strategy.exactly(t, "read key", 0)
		wants(t, "value")(f.Call(t.Context(), testArgs))
		strategy.exactly(t, "read key", 1)
	})
}

// releasing always names a key that is not there.
func releasing() *mockStrategy[string] {
	return &mockStrategy[string]{names: func() (string, bool) { return "release-test", true }}
}

// A strategy that never tires of naming a key is asked once a write.
func TestSeed25MarkReleasedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := releasing()
		f := keyed(returning[args]("value"), config.Evict(strategy))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		settled(t, f)
		strategy.exactly(t, "released release-test", 1)
	})
}

func TestSeed26ReleaseOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy, store := releasing(), &mockStorage[string, string]{}
		f := keyed(returning[args]("value"), config.Evict(strategy), config.Storage(store))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		settled(t, f)
		strategy.exactly(t, "next", 1)
		store.exactly(t, "release release-test", 1)
	})
}

func TestSeed27ReleaseOnceMoreOnSecondWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy, store := releasing(), &mockStorage[string, string]{forget: true}
		f := keyed(returning[args]("value"), config.Evict(strategy), config.Storage(store), config.UpdateAfter(50*time.Millisecond))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		settled(t, f)
		strategy.reset()
		store.reset()
		time.Sleep(200 * time.Millisecond)
		wants(t, "value")(f.Call(t.Context(), testArgs))
		settled(t, f)
		strategy.exactly(t, "next", 1)
		store.exactly(t, "release release-test", 1)
	})
}

// G4.
func TestSeed28Invalidation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var support invalidation.Support[string]
		counter := 0
		f := memoize.Must(memoize.New(func(context.Context, string) (int, error) { counter++; return counter, nil },
			config.InvalidatedBy(&support)))
		for i, want := range []int{1, 1, 2, 2, 3} {
			if i == 2 || i == 4 {
				noError(t, support.Invalidate(t.Context(), "test"))
			}
			wants(t, want)(f.Call(t.Context(), "test"))
		}
	})
}

func TestSeed29InvalidationNotBound(t *testing.T) {
	var support invalidation.Support[string]
	if err := support.Invalidate(t.Context(), "test"); !errors.Is(err, invalidation.ErrNotBound) {
		t.Fatalf("got %v, want ErrNotBound", err)
	}
	if err := support.InvalidateAll(t.Context()); !errors.Is(err, invalidation.ErrNotBound) {
		t.Fatalf("InvalidateAll: got %v, want ErrNotBound", err)
	}
}

func TestSeed30KeyIsMadeOnceACall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked journal
		f := memoize.Must(memoize.NewKeyed(returning[args]("value").load, func(a args) string {
			asked.add("%v", a)
			return "key"
		}))
		for n := 1; n <= 3; n++ {
			wants(t, "value")(f.Call(t.Context(), testArgs))
			asked.exactly(t, "{test args}", n)
		}
		if got := asked.all(); len(got) != 3 {
			t.Fatalf("keys were made of %q", got)
		}
	})
}

func TestSeed31StorageGetAndOfferOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, string]{}
		f := keyed(returning[args]("value"), config.Storage(store))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		settled(t, f)
		store.exactly(t, "get key", 1)
		store.exactly(t, "offer key=value", 1)
		if got := store.all(); len(got) != 2 {
			t.Fatalf("the storage was used as follows: %q", got)
		}
	})
}

func TestSeed32EvictionIsToldTheKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &mockStrategy[string]{}
		f := keyed(returning[args]("value"), config.Evict(strategy))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		settled(t, f)
		if got, want := strategy.all(), []string{"written key", "next", "read key"}; !slices.Equal(got, want) {
			t.Fatalf("the strategy was told %q, want %q", got, want)
		}
	})
}

func helperMethod(_ context.Context, a, b, z string) (*user, error) {
	return &user{Name: a + b + z}, nil
}

// In the seed the key holds the address of the function, so that it means
// nothing to another process. Here it holds the function's name.
func TestSeed33KeyTextOfFunction(t *testing.T) {
	f := memoize.Must(memoize.New3(helperMethod))
	wants(t, `memoize_test.helperMethod:0:{"a","b","c"}`)(f.Args.Key(memoize.Args3[string, string, string]{A: "a", B: "b", C: "c"}))
}

func TestSeed34KeyTextOfName(t *testing.T) {
	f := memoize.Must(memoize.New3(helperMethod, config.Name("helper_method")))
	wants(t, `helper_method:0:{"a","b","c"}`)(f.Args.Key(memoize.Args3[string, string, string]{A: "a", B: "b", C: "c"}))
}

type service struct{ address string }

func (s *service) find(_ context.Context, a string) (string, error) { return s.address + a, nil }

// The receiver of a method is no part of the key, as with the seed's flag.
func TestSeed35KeyTextOfMethod(t *testing.T) {
	const want = `memoize_test.(*service).find:0:"a"`
	for _, s := range []*service{{"one"}, {"two"}} {
		wants(t, want)(memoize.Must(memoize.New(s.find)).Key("a"))
	}
}

// recording is a postprocessing that records what it is given.
type recording struct {
	journal
	result string
}

func (p *recording) Apply(value string) string {
	p.add("apply %s", value)
	return p.result
}

func TestSeed36PostprocessingOnceOnMiss(t *testing.T) {
	bubble(t, func(t *testing.T) {
		post := &recording{result: "processed"}
		store := &mockStorage[string, string]{}
		f := keyed(returning[args]("value-for-test"), config.Postprocess[string](post), config.Storage(store))
		wants(t, "processed")(f.Call(t.Context(), testArgs))
		if got := post.all(); !slices.Equal(got, []string{"apply value-for-test"}) {
			t.Fatalf("postprocessing was applied as follows: %q", got)
		}
		if stored, _ := store.holds("key"); stored != "value-for-test" {
			t.Fatalf("%q is stored, want the value as the source returned it", stored)
		}
	})
}

func TestSeed37DeepCopy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		unsorted := []User{{Name: "5"}, {Name: "1"}, {Name: "3"}}
		f := memoize.Must(memoize.New(func(context.Context, string) (*Page, error) { return &Page{Users: slices.Clone(unsorted)}, nil },
			config.Postprocess(config.DeepCopy[*Page]())))
		for i := range 3 { // the first is a miss, the others are hits
			got, err := f.Call(t.Context(), "key")
			if err != nil || !slices.Equal(got.Users, unsorted) {
				t.Fatalf("call %d: got %v, %v; want %v", i, got, err, unsorted)
			}
			slices.SortFunc(got.Users, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
		}
	})
}

// The example of the seed's README as a check: a refresh is due every 210 ms,
// and a batch comes every 70 ms, so that every third batch starts one.
func TestSeedLoadCheckOfReadme(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string]("value")
		source.takes = 10 * time.Millisecond
		f := memoize.Must(memoize.New(source.load, config.UpdateAfter(200*time.Millisecond)))
		for range 50 {
			allWant(t, "value", together(5, func() (string, error) { return f.Call(t.Context(), "key") }))
			time.Sleep(70 * time.Millisecond)
		}
		settled(t, f)
		wantCalls(t, source, 17)
		if s := f.Stats(); s.Calls != 250 || s.Joined != 4 || s.Loaded != 1 || s.Refreshes != 16 {
			t.Fatalf("got %+v; want 250 calls, of which one loaded and 4 joined, and 16 refreshes", s)
		}
	})
}
