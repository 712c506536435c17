package memoize_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		n := 0
		f, err := memoize.New(func(ctx context.Context, k int) (int, error) { n++; time.Sleep(time.Second); return n, nil },
			config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			v, err := f.Call(ctx, 1)
			if v != 1 || err != nil {
				t.Fatal(v, err)
			}
		}
		time.Sleep(2 * time.Minute)
		if v, err := f.Call(ctx, 1); v != 1 || err != nil {
			t.Fatal(v, err)
		}
		if err := f.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if v, err := f.Call(ctx, 1); v != 2 || err != nil {
			t.Fatal(v, err)
		}
		if v, err := f.Refresh(ctx, 1); v != 3 || err != nil {
			t.Fatal(v, err)
		}
		if err := f.Invalidate(ctx, 1); err != nil {
			t.Fatal(err)
		}
		if f.Len() != 0 {
			t.Fatal(f.Len())
		}
		if v, err := f.Call(ctx, 1); v != 4 || err != nil {
			t.Fatal(v, err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if f.Len() != 0 {
			t.Fatal("expired entry is still there")
		}
		t.Logf("%+v", f.Stats())
		if err := f.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Call(ctx, 1); !errors.Is(err, memoize.ErrClosed) {
			t.Fatal(err)
		}
	})
}

func TestSmokeMock(t *testing.T) {
	mock := clock.NewMock()
	n := 0
	f, _ := memoize.New(func(ctx context.Context, k int) (int, error) { n++; return n, nil }, config.UpdateAfter(time.Minute), config.Clock(mock))
	ctx := t.Context()
	f.Call(ctx, 42)
	mock.Add(61 * time.Second)
	f.Call(ctx, 42)
	f.Wait(ctx)
	if v, _ := f.Call(ctx, 42); v != 2 || n != 2 {
		t.Fatal(v, n)
	}
}

func BenchmarkHit(b *testing.B) {
	f, _ := memoize.New(func(ctx context.Context, k string) (int, error) { return 1, nil })
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		f.Call(ctx, "abc")
	}
}

func BenchmarkMiss(b *testing.B) {
	f, _ := memoize.New(func(ctx context.Context, k int) (int, error) { return 1, nil }, config.Capacity(1000))
	ctx := b.Context()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		f.Call(ctx, i)
	}
}
