package memoize_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// What matches goes, and what is being loaded is not stored.
func TestG4InvalidateWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, version := make(chan struct{}), 0
		f := memoize.Must(memoize.New(func(_ context.Context, by args) (*user, error) {
			v := version
			if by.B == "9" && v == 0 {
				<-gate
			}
			return &user{N: v}, nil
		}, silent))
		ctx := t.Context()
		for _, by := range []args{{"red", "1"}, {"red", "2"}, {"blue", "1"}} {
			if _, err := f.Call(ctx, by); err != nil {
				t.Fatal(err)
			}
		}
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = f.Call(ctx, args{"red", "9"}) })
		synctest.Wait()
		version = 1
		n, err := memoize.InvalidateWhere(ctx, f, func(by args) bool { return by.A == "red" })
		if n != 3 || err != nil {
			t.Errorf("%d are invalidated, %v; want three", n, err)
		}
		if v, err := number(f.Call(ctx, args{"red", "9"})); v != 1 || err != nil {
			t.Errorf("a call gets %d, %v", v, err)
		}
		close(gate)
		calls.Wait()
		for by, want := range map[args]int{{"red", "1"}: -1, {"red", "2"}: -1, {"blue", "1"}: 0, {"red", "9"}: 1} {
			if v, ok := f.Peek(ctx, by); ok != (want >= 0) || ok && v.N != want {
				t.Errorf("%v: stored is %v, %t; want %d", by, v, ok, want)
			}
		}
		if n, err := memoize.InvalidateWhere(ctx, f, func(by args) bool { return by.A == "none" }); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestInvalidateWhereRefuses(t *testing.T) {
	ctx := t.Context()
	source := func(_ context.Context, k int) (int, error) { return k, nil }
	f := memoize.Must(memoize.New(source, silent, config.Name("f")))
	if _, err := f.Call(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := memoize.InvalidateWhere(ctx, f, func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "int") || !strings.Contains(err.Error(), "string") {
		t.Errorf("keys of another type: %v", err)
	}
	if _, err := memoize.InvalidateWhere[int](ctx, f, nil); err == nil {
		t.Error("nil is taken")
	}
	var p *memoize.PanicError
	if n, err := memoize.InvalidateWhere(ctx, f, func(int) bool { panic("boom") }); n != 0 || !errors.As(err, &p) || f.Len() != 1 {
		t.Errorf("a panic: %d, %v", n, err)
	}
	memory := storage.NewMemory()
	defer memory.Close()
	shared, err := storage.Share(memory)
	if err != nil {
		t.Fatal(err)
	}
	g := memoize.Must(memoize.New(source, config.Store(shared), config.Name("g"), silent))
	if _, err := memoize.InvalidateWhere(ctx, g, func(int) bool { return true }); !errors.Is(err, memoize.ErrUnsupported) {
		t.Errorf("over a store: %v", err)
	}
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := memoize.InvalidateWhere(ctx, f, func(int) bool { return true }); !errors.Is(err, memoize.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
