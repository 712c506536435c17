package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// verbs are what functions of all shapes can do, for one key.
type verbs struct {
	memoize.Handle
	call, refresh func() (int, error)
	invalidate    func() error
	peek          func() (*user, bool)
	set           func(int) error
}

// Functions of no, two and three arguments do what those of one do.
func TestFunctionsOfEveryShape(t *testing.T) {
	ctx := t.Context()
	calls := 0
	next := func() (*user, error) { calls++; return &user{N: calls}, nil }
	life := config.ExpireAfter(time.Hour)
	zero := memoize.Must(memoize.New0(func(context.Context) (*user, error) { return next() }, life, config.Name("zero")))
	two := memoize.Must(memoize.New2(func(_ context.Context, a, b string) (*user, error) {
		if a != "a" || b != "b" {
			t.Errorf("the source is asked for %v, %v", a, b)
		}
		return next()
	}, life, config.Name("two")))
	three := memoize.Must(memoize.New3(func(_ context.Context, a, b, c string) (*user, error) {
		if a != "a" || b != "b" || c != "c" {
			t.Errorf("the source is asked for %v, %v, %v", a, b, c)
		}
		return next()
	}, life, config.Name("three")))
	for name, f := range map[string]verbs{
		"zero": {
			zero, func() (int, error) { return number(zero.Call(ctx)) }, func() (int, error) { return number(zero.Refresh(ctx)) },
			func() error { return zero.Invalidate(ctx) }, func() (*user, bool) { return zero.Peek(ctx) }, func(v int) error { return zero.Set(ctx, &user{N: v}) },
		},
		"two": {
			two, func() (int, error) { return number(two.Call(ctx, "a", "b")) }, func() (int, error) { return number(two.Refresh(ctx, "a", "b")) },
			func() error { return two.Invalidate(ctx, "a", "b") }, func() (*user, bool) { return two.Peek(ctx, "a", "b") }, func(v int) error { return two.Set(ctx, "a", "b", &user{N: v}) },
		},
		"three": {
			three, func() (int, error) { return number(three.Call(ctx, "a", "b", "c")) }, func() (int, error) { return number(three.Refresh(ctx, "a", "b", "c")) },
			func() error { return three.Invalidate(ctx, "a", "b", "c") }, func() (*user, bool) { return three.Peek(ctx, "a", "b", "c") }, func(v int) error { return three.Set(ctx, "a", "b", "c", &user{N: v}) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls = 0
			peeks := func(want int) {
				t.Helper()
				if v, ok := f.peek(); ok != (want != 0) || ok && v.N != want {
					t.Errorf("Peek returns %v, %v; want %v", v, ok, want)
				}
			}
			peeks(0)
			wants(t, 1)(f.call())
			wants(t, 1)(f.call())
			peeks(1)
			wants(t, 2)(f.refresh())
			noError(t, f.invalidate())
			peeks(0)
			noError(t, f.set(10))
			wants(t, 10)(f.call())
			noError(t, f.InvalidateAll(ctx))
			peeks(0)
			if f.Name() != name {
				t.Errorf("it is called %q", f.Name())
			}
			if s := f.Stats(); s.Loads != 2 || s.Calls != 4 {
				t.Errorf("counted %+v", s)
			}
			noError(t, f.Close(ctx))
			_, errs := f.call()
			errs = errors.Join(errs, f.set(1))
			for _, err := range []error{errs, f.invalidate(), f.InvalidateAll(ctx)} {
				if !errors.Is(err, memoize.ErrClosed) {
					t.Errorf("once closed: %v", err)
				}
			}
		})
	}
}

// joined is the user whose number consists of some digits.
func joined(digits ...string) (*user, error) {
	n, err := strconv.Atoi(strings.Join(digits, ""))
	return &user{N: n}, err
}

// A function has every method of Func whatever its number of arguments, and each asks
// for the same key.
func TestMethodsOfEveryShape(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		zero := memoize.Must(memoize.New0(func(context.Context) (*user, error) { return &user{N: 7}, nil }))
		two := memoize.Must(memoize.New2(func(_ context.Context, a, b string) (*user, error) { return joined(a, b) }))
		three := memoize.Must(memoize.New3(func(_ context.Context, a, b, c string) (*user, error) { return joined(a, b, c) }))
		all := reflect.TypeFor[*memoize.Func[int, int]]()
		for i := range all.NumMethod() {
			name := all.Method(i).Name
			for _, f := range []any{zero, two, three} {
				if _, has := reflect.TypeOf(f).MethodByName(name); !has && (f != any(zero) || !strings.HasSuffix(name, "Many")) {
					t.Errorf("%T lacks %s", f, name)
				}
			}
		}
		one := func(want int, r memoize.Result[*user], err error) {
			t.Helper()
			if n, err := number(r.Value, err); n != want || err != nil {
				t.Errorf("got %v, %v; want %d", n, err, want)
			}
		}
		many := func(err error, users []*user, want ...int) {
			t.Helper()
			var got []int
			for _, u := range users {
				got = append(got, u.N)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		}
		r, err := zero.Result(ctx)
		one(7, r, err)
		r, err = two.Result(ctx, "1", "2")
		one(12, r, err)
		r, err = three.Result(ctx, "1", "2", "3")
		one(123, r, err)
		wants(t, 7)(number(zero.Direct(ctx)))
		wants(t, 12)(number(two.Direct(ctx, "1", "2")))
		wants(t, 123)(number(three.Direct(ctx, "1", "2", "3")))
		for name, found := range map[string]bool{"Func0": zero.Has(ctx), "Func2": two.Has(ctx, "1", "2"), "Func3": three.Has(ctx, "1", "2", "3")} {
			if !found {
				t.Errorf("Has of %s finds nothing", name)
			}
		}
		if two.Has(ctx, "2", "1") || three.Has(ctx, "3", "2", "1") {
			t.Error("arguments in another order are found")
		}
		wants(t, true)(zero.Touch(ctx))
		wants(t, true)(two.Touch(ctx, "1", "2"))
		wants(t, true)(three.Touch(ctx, "1", "2", "3"))
		for f, key := range map[interface{ Len() int }]func() (string, error){
			zero:  zero.Key,
			two:   func() (string, error) { return two.Key("1", "2") },
			three: func() (string, error) { return three.Key("1", "2", "3") },
		} {
			if text, err := key(); text == "" || err != nil || f.Len() != 1 {
				t.Errorf("%T: %q, %v, %d", f, text, err, f.Len())
			}
		}
		pairs, triples := []args{{A: "1", B: "2"}, {A: "3", B: "4"}}, []memoize.Args3[string, string, string]{{A: "1", B: "2", C: "3"}}
		got, err := two.CallMany(ctx, pairs)
		many(err, got, 12, 34)
		got, err = two.RefreshMany(ctx, pairs)
		many(err, got, 12, 34)
		got, found := two.PeekMany(ctx, pairs)
		many(nil, got, 12, 34)
		noError(t, two.SetMany(ctx, pairs, []*user{{N: 5}, {N: 6}}))
		got, err = two.CallMany(ctx, pairs)
		many(err, got, 5, 6)
		touched, err := two.TouchMany(ctx, pairs)
		if moreTouched, moreErr := three.TouchMany(ctx, triples); err != nil || moreErr != nil || !slices.Equal(append(touched, moreTouched...), []bool{true, true, true}) || !slices.Equal(two.HasMany(ctx, pairs), touched[:2]) || !three.HasMany(ctx, triples)[0] {
			t.Errorf("TouchMany: %v, %v, %v, %v", touched, moreTouched, err, moreErr)
		}
		noError(t, two.InvalidateMany(ctx, pairs[:1]))
		got, err = three.CallMany(ctx, triples)
		many(err, got, 123)
		got, err = three.RefreshMany(ctx, triples)
		many(err, got, 123)
		noError(t, three.SetMany(ctx, triples, []*user{{N: 9}}))
		got, moreFound := three.PeekMany(ctx, triples)
		many(nil, got, 9)
		if two.Has(ctx, "1", "2") || !slices.Equal(append(found, moreFound...), []bool{true, true, true}) {
			t.Errorf("found %v and %v", found, moreFound)
		}
		noError(t, three.InvalidateMany(ctx, triples))
		if three.Len() != 0 {
			t.Error("InvalidateMany leaves it")
		}
		for name, f := range map[string]interface {
			Wait(context.Context) error
			Save(context.Context, io.Writer, ...memoize.SnapshotOption) (int, error)
			Restore(context.Context, io.Reader, ...memoize.SnapshotOption) (int, error)
			SaveFile(context.Context, string, ...memoize.SnapshotOption) (int, error)
			RestoreFile(context.Context, string, ...memoize.SnapshotOption) (int, error)
			InvalidateAll(context.Context) error
			Len() int
		}{"Func0": zero, "Func2": two} {
			var snapshot bytes.Buffer
			path := filepath.Join(t.TempDir(), "snapshot")
			saved, err := f.Save(ctx, &snapshot)
			written, fileErr := f.SaveFile(ctx, path)
			noError(t, errors.Join(err, fileErr, f.InvalidateAll(ctx)))
			restored, err := f.Restore(ctx, &snapshot)
			noError(t, errors.Join(err, f.InvalidateAll(ctx)))
			read, err := f.RestoreFile(ctx, path)
			noError(t, errors.Join(err, f.Wait(ctx)))
			if saved != 1 || written != 1 || restored != 1 || read != 1 || f.Len() != 1 {
				t.Errorf("%s: saved %d and %d, restored %d and %d, has %d", name, saved, written, restored, read, f.Len())
			}
		}
	})
}

// What a function can't be made of is an error that says which.
func TestFunctionsWithoutASource(t *testing.T) {
	life := config.ExpireAfter(time.Hour)
	_, zero := memoize.New0[*user](nil, life)
	_, one := memoize.New[string, int](nil, life)
	_, two := memoize.New2[string, string, *user](nil, life)
	_, three := memoize.New3[string, string, string, *user](nil, life)
	_, batched := memoize.NewBatched[string, int](nil, life)
	for name, err := range map[string]error{"New0": zero, "New": one, "New2": two, "New3": three, "NewBatched": batched} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s without a source: %v", name, err)
		}
	}
}
