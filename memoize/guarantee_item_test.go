package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// A fault of one key or value is its own: the store is well, and others are stored.

// inBulk is a store that takes many and has no fence.
type inBulk struct {
	storage.Bytes
	storage.BulkBytes
}

// everyStore runs a test over stores that can do more and less.
func everyStore(t *testing.T, test func(t *testing.T, b storage.Bytes, watch config.Option, told *journal)) {
	for name, of := range map[string]func() storage.Bytes{
		"fenced": func() storage.Bytes { return newWire() },
		"bulk": func() storage.Bytes {
			w := newWire()
			return inBulk{w, w}
		},
		"plain": func() storage.Bytes { return plain{newWire()} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told journal
				test(t, of(), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
					if told.add("%v", e.Kind); e.Kind == observe.Unstorable {
						told.add("%v %s", e.Kind, e.Key)
					}
				})), &told)
			})
		})
	}
}

func localKeyA() any {
	type key int
	return key(1)
}

func localKeyB() any {
	type key int
	return key(1)
}

func TestG9AKeyWithoutTextIsItsOwnFault(t *testing.T) {
	everyStore(t, func(t *testing.T, b storage.Bytes, watch config.Option, told *journal) {
		ctx, loads := context.Background(), 0
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []any) (map[any]*user, error) {
			loads++
			values := map[any]*user{}
			for _, key := range keys {
				values[key] = &user{Name: fmt.Sprint(key)}
			}
			return values, nil
		}, config.Store(share(t, b)), config.Name("f"), watch, config.FailOnStoreError(true), config.Logger(discardLog)))
		call := func(key any) (string, error) {
			v, err := f.Call(ctx, key)
			if err != nil {
				return "", err
			}
			return v.Name, nil
		}
		wants(t, "1")(call(localKeyA()))
		bad := localKeyB() // has the same name and is another key
		args := []any{"a", bad, "b"}
		for want := 2; want <= 3; want++ {
			values, err := f.CallMany(ctx, args)
			noError(t, err)
			if got := []string{values[0].Name, values[1].Name, values[2].Name}; !slices.Equal(got, []string{"a", "1", "b"}) || loads != want {
				t.Errorf("the values are %q, after %d loads", got, loads)
			}
			if has := f.HasMany(ctx, args); !has[0] || has[1] || !has[2] {
				t.Errorf("of %v are stored: %v", args, has)
			}
		}
		wants(t, "1")(call(bad))
		if err := f.Set(ctx, bad, new(user)); !errors.Is(err, storage.ErrUnstorable) || errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Set: %v", err)
		}
		settled(t, f) // what a load has met is told once it has ended
		told.exactly(t, observe.StoreFault.String(), 0)
		if n := f.Stats().StoreFaults; n != 0 || told.count(observe.Unstorable.String()) == 0 {
			t.Errorf("%d faults of the store are counted; told is %q", n, told.all())
		}
	})
}

// numberOf is the value of a key, of every NaN the same.
func numberOf(key float64) int {
	if math.IsNaN(key) {
		return -1
	}
	return int(key)
}

func TestG12NaNOverAStoreIsNoFault(t *testing.T) {
	everyStore(t, func(t *testing.T, b storage.Bytes, watch config.Option, told *journal) {
		ctx := context.Background()
		f := memoize.Must(memoize.New(func(_ context.Context, key float64) (int, error) { return numberOf(key), nil },
			config.Store(share(t, b)), config.Name("f"), watch, config.FailOnStoreError(true)))
		nan := math.NaN()
		wants(t, -1)(f.Call(ctx, nan))
		values, err := f.CallMany(ctx, []float64{1, nan, 2})
		if !slices.Equal(values, []int{1, -1, 2}) || err != nil {
			t.Errorf("the values are %v, %v", values, err)
		}
		if has := f.HasMany(ctx, []float64{1, nan, 2}); !has[0] || has[1] || !has[2] {
			t.Errorf("stored are %v", has)
		}
		settled(t, f)
		if n := f.Stats().StoreFaults; n != 0 || told.count(observe.StoreFault.String())+told.count(observe.Unstorable.String()) > 0 {
			t.Errorf("%d faults of the store are counted; told is %q", n, told.all())
		}
	})
}

func TestG9AValueThatCantBeWrittenIsItsOwnFault(t *testing.T) {
	everyStore(t, func(t *testing.T, b storage.Bytes, watch config.Option, told *journal) {
		ctx := context.Background()
		source := map[string]string{"a": "A", "bad": "\xff", "b": "B"}
		f := memoize.Must(memoize.NewBatched(func(context.Context, []string) (map[string]string, error) { return maps.Clone(source), nil },
			config.Store(share(t, b)), config.Name("f"), watch, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour)))
		args := []string{"a", "bad", "b"}
		for range 2 {
			values, err := f.CallMany(ctx, args)
			if strings.Join(values, " ") != "A \xff B" || err != nil {
				t.Errorf("the values are %q, %v", values, err)
			}
			if has := f.HasMany(ctx, args); !has[0] || has[1] || !has[2] {
				t.Errorf("of %v are stored: %v", args, has)
			}
		}
		settled(t, f)
		told.exactly(t, observe.Unstorable.String()+` "bad"`, 2)
		wants(t, "\xff")(f.Call(ctx, "bad"))

		// What the store holds is as it was, for it was not asked.
		noError(t, f.Set(ctx, "bad", "good"))
		if err := f.Set(ctx, "bad", "\xfe"); !errors.Is(err, storage.ErrUnstorable) || errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Set: %v", err)
		}
		wants(t, "good")(f.Call(ctx, "bad"))
		noError(t, f.Invalidate(ctx, "bad"))
		if f.Has(ctx, "bad") {
			t.Error("what was invalidated is stored")
		}
		settled(t, f)
		if n := f.Stats().StoreFaults; n != 0 || told.count(observe.StoreFault.String()) > 0 {
			t.Errorf("%d faults of the store are counted; told is %q", n, told.all())
		}
	})
}

// partial is a store that has something foreign under some keys.
type partial struct {
	*wire
	foreign string
}

var errForeign = storage.Refused(errors.New("something else is stored there"))

func (p partial) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	records, err := p.wire.GetMany(ctx, keys)
	for i, key := range keys {
		if key == p.foreign {
			err = errors.Join(err, &storage.ItemError{Item: i, Err: errForeign})
		}
	}
	return records, err
}

func (p partial) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	claimed, err := p.wire.Claim(ctx, hold, keys...)
	for i, key := range keys {
		if key == p.foreign {
			err = errors.Join(err, &storage.ItemError{Item: i, Err: errForeign})
		}
	}
	return claimed, err
}

func TestG9FailOnStoreErrorFailsForThoseThatCantBeRead(t *testing.T) {
	for _, hide := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, w := context.Background(), newWire()
			opts := []config.Option{config.Store(share(t, partial{w, `f:0:"bad"`})), config.Name("f"), config.FailOnStoreError(true)}
			if hide {
				opts = append(opts, config.HideKeys())
			}
			f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]string, error) {
				values := map[string]string{}
				for _, key := range keys {
					values[key] = key
				}
				return values, nil
			}, opts...))
			noError(t, w.Memory.Set(ctx, `f:0:"garbage"`, []byte("garbage"), time.Hour))
			var many *memoize.ManyError
			values, err := f.CallMany(ctx, []string{"a", "bad", "garbage", "b"})
			if !errors.As(err, &many) || strings.Join(values, " ") != "a  garbage b" {
				t.Fatalf("the values are %q, %v", values, err)
			}
			for i := range 4 {
				if err := many.At(i); (err != nil) != (i == 1) || i == 1 && !(errors.Is(err, memoize.ErrUnavailable) && errors.Is(err, errForeign)) {
					t.Errorf("the error at %d is %v", i, err)
				}
			}
		})
	}
}
