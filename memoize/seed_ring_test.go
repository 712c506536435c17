package memoize_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// The tests of this file are what ring's tests assert of its verbs, in memory
// and over a store, and what cachetory's assert of its decorator.

type (
	origin   = func(ctx context.Context, arg string) (string, error)
	memoizes = func(source origin) *memoize.Func[string, string]
)

// everywhere runs a test on a function in memory, and on one over a store.
func everywhere(t *testing.T, test func(t *testing.T, memoized memoizes)) {
	over := func(opts ...config.Option) func(t *testing.T) {
		return func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				test(t, func(source origin) *memoize.Func[string, string] {
					f, err := memoize.New(source, append(opts, config.ExpireAfter(time.Hour))...)
					return must(t, f, err)
				})
			})
		}
	}
	t.Run("in memory", over())
	t.Run("over a store", over(config.Store(share(t, storage.NewMemory())), config.Name("f")))
}

func TestRing01KeyOfArguments(t *testing.T) {
	everywhere(t, func(t *testing.T, memoized memoizes) {
		f := memoized(returning[string, string]("v").load)
		texts := map[string]bool{}
		for _, arg := range []string{"1:2", "1:3", "1:2", "1", `"1`, ":"} {
			text, err := f.Key(arg)
			noError(t, err)
			texts[text] = true
		}
		if len(texts) != 5 {
			t.Errorf("five arguments have the keys %v", texts)
		}
	})
}

func TestRing02To08Verbs(t *testing.T) {
	everywhere(t, func(t *testing.T, memoized memoizes) {
		ctx, s := t.Context(), returning[string, string]("102")
		f := memoized(s.load)
		stored := func(want string) {
			t.Helper()
			if got, ok := f.Peek(ctx, "a"); got != want || ok != (want != "") || f.Has(ctx, "a") != ok { // 6
				t.Fatalf("%q is stored (%v), want %q", got, ok, want)
			}
		}
		stored("") // 2
		wants(t, "102")(f.Call(ctx, "a"))
		stored("102")
		noError(t, f.Invalidate(ctx, "a")) // 3
		stored("")
		wants(t, "102")(f.Call(ctx, "a"))
		s.returns("103") // 4
		wants(t, "102")(f.Call(ctx, "a"))
		wants(t, "103")(f.Direct(ctx, "a"))
		stored("102")
		wants(t, "103")(f.Refresh(ctx, "a")) // 5
		stored("103")
		wants(t, true)(f.Touch(ctx, "a")) // 7
		wants(t, false)(f.Touch(ctx, "b"))
		stored("103")
		noError(t, f.Set(ctx, "a", "503")) // 8
		stored("503")
		wants(t, "503")(f.Call(ctx, "a"))
	})
}

func TestRing16Recursion(t *testing.T) {
	everywhere(t, func(t *testing.T, memoized memoizes) {
		var fib *memoize.Func[string, string]
		calls := 0
		fib = memoized(func(ctx context.Context, arg string) (string, error) {
			calls++ // one load at a time: each waits for the next
			n, _ := strconv.Atoi(arg)
			if n < 2 {
				return arg, nil
			}
			a, err := fib.Call(ctx, strconv.Itoa(n-1))
			b, err2 := fib.Call(ctx, strconv.Itoa(n-2))
			x, _ := strconv.Atoi(a)
			y, _ := strconv.Atoi(b)
			return strconv.Itoa(x + y), errors.Join(err, err2)
		})
		wants(t, "55")(fib.Call(t.Context(), "10"))
		if calls != 11 {
			t.Errorf("the source was called %d times, want 11", calls)
		}
	})
}

func TestRing18Many(t *testing.T) {
	everywhere(t, func(t *testing.T, memoized memoizes) {
		ctx, s := t.Context(), returning[string, string]("102")
		f := memoized(s.load)
		args := []string{"1:2", "5:3", "7:6"}
		many := func(want ...string) func(got []string, err error) {
			t.Helper()
			return func(got []string, err error) {
				t.Helper()
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("got %q, %v; want %q", got, err, want)
				}
			}
		}
		peeked := func(want ...string) {
			t.Helper()
			got, ok := f.PeekMany(ctx, args)
			has := f.HasMany(ctx, args)
			for i := range want {
				if got[i] != want[i] || ok[i] != (want[i] != "") || has[i] != ok[i] {
					t.Fatalf("stored are %q, %v, %v; want %q", got, ok, has, want)
				}
			}
		}
		peeked("", "", "")
		many("102", "102", "102")(f.RefreshMany(ctx, args))
		noError(t, f.SetMany(ctx, args[1:], []string{"503", "716"}))
		peeked("102", "503", "716")
		noError(t, f.InvalidateMany(ctx, args[:1]))
		peeked("", "503", "716")
		s.returns("104")
		before := s.count()
		many("104", "503", "716", "104")(f.CallMany(ctx, append(args, "1:2")))
		many("104", "503", "716")(f.CallMany(ctx, args)) // all hit: nothing is asked
		many()(f.CallMany(ctx, nil))
		if n := s.count() - before; n != 1 {
			t.Errorf("the source was called %d times for the one that is missing, want once", n)
		}
		touched, err := f.TouchMany(ctx, []string{"1:2", "none"})
		if err != nil || !touched[0] || touched[1] {
			t.Errorf("TouchMany says %v, %v", touched, err)
		}
		if err := f.SetMany(ctx, args, []string{"1", "2"}); err == nil {
			t.Error("fewer values than arguments are accepted")
		}
	})
}

// What a key leaves out makes no difference.
func TestRing25WhatIsNotInTheKey(t *testing.T) {
	s := returning[string, string]("v")
	f, err := memoize.NewKeyed(s.load, func(arg string) string { key, _, _ := strings.Cut(arg, "?"); return key })
	must(t, f, err)
	for _, arg := range []string{"a", "a?verbose", "b?verbose", "b"} {
		wants(t, "v")(f.Call(t.Context(), arg))
	}
	wantCalls(t, s, 2)
}

// A codec of one's own writes what is stored; callers get what the source said.
func TestRing28OwnKeyAndEncoding(t *testing.T) {
	ctx, w := context.Background(), newWire()
	s := returning[string, string]("v")
	f := process(t, w, s.load, config.Codec[string](shouting{}), config.Keys(config.KeyOf(func(arg string) string { return "test:" + arg })))
	wants(t, "v")(f.Call(ctx, "10"))
	wants(t, "v")(f.Call(ctx, "10"))
	wantCalls(t, s, 1)
	r, err := w.Memory.Get(ctx, `svc:users:0:"test:10"`)
	if err != nil || !strings.HasSuffix(string(r.Value), "V!") {
		t.Errorf("it is written as %q, %v", r.Value, err)
	}
}

type shouting struct{}

func (shouting) Encode(v string) ([]byte, error) { return []byte(strings.ToUpper(v) + "!"), nil }
func (shouting) Decode(data []byte) (string, error) {
	return strings.ToLower(strings.TrimSuffix(string(data), "!")), nil
}

func TestCachetory29WhatIsExcludedIsReturnedAndNotStored(t *testing.T) {
	everywhere(t, func(t *testing.T, memoized memoizes) {
		calls := 0
		f := memoized(func(_ context.Context, arg string) (string, error) {
			if calls++; arg == "5" {
				return "25", memoize.NoStore
			}
			return "36", nil
		})
		for range 2 {
			wants(t, "25")(f.Call(t.Context(), "5"))
			wants(t, "36")(f.Call(t.Context(), "6"))
		}
		if f.Has(t.Context(), "5") || !f.Has(t.Context(), "6") || calls != 3 {
			t.Errorf("stored are 5 %v, 6 %v; the source was called %d times", f.Has(t.Context(), "5"), f.Has(t.Context(), "6"), calls)
		}
	})
}

func TestCachetory30PurgeOfOne(t *testing.T) {
	everywhere(t, func(t *testing.T, memoized memoizes) {
		ctx, s := t.Context(), returning[string, string]("102")
		f := memoized(s.load)
		for _, arg := range []string{"1", "2", "3"} {
			wants(t, "102")(f.Call(ctx, arg))
		}
		noError(t, f.Invalidate(ctx, "2"))
		if got := f.HasMany(ctx, []string{"1", "2", "3"}); !slices.Equal(got, []bool{true, false, true}) {
			t.Errorf("after that there are %v", got)
		}
	})
}
