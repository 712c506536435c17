package memoize_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// BenchmarkHitAgainstFloor measures hits and the least that a cache with a life
// can do, a sync.Map, a pointer and one reading of the clock, in turn in one run.
func BenchmarkHitAgainstFloor(b *testing.B) {
	hour := []config.Option{config.UpdateAfter(time.Hour), config.ExpireAfter(2 * time.Hour)}
	for _, c := range []struct {
		name string
		opts []config.Option
	}{
		{"fresh", hour},
		{"fresh, exact clock", append(hour, config.ExactClock())},
		{"stale, its refresh runs", []config.Option{config.UpdateAfter(0), config.ExpireAfter(time.Hour)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx, hold, loads := context.Background(), make(chan struct{}), atomic.Int32{}
			f := memoize.Must(memoize.New(func(context.Context, string) (*user, error) {
				if loads.Add(1) > 1 {
					<-hold
				}
				return new(user), nil
			}, c.opts...))
			defer func() { close(hold); _ = f.Close(ctx) }()
			key, other := fmt.Sprintf("%016d", 7), fmt.Sprintf("%016d", 7) // equal, and not the same
			for range 100 {
				_, _ = f.Call(ctx, key)
			}
			var held sync.Map
			begin, life := time.Now(), 2*time.Hour
			held.Store(key, new(int))

			const chunk = 1000
			var hits, floor time.Duration
			n := 0
			for b.Loop() {
				n++
				began := time.Now()
				for range chunk {
					if v, err := f.Call(ctx, other); v == nil || err != nil {
						b.Fatal(v, err)
					}
				}
				mid := time.Now()
				for range chunk {
					if v, ok := held.Load(other); !ok || v == nil || time.Since(begin) > life {
						b.Fatal(v, ok)
					}
				}
				hits, floor = hits+mid.Sub(began), floor+time.Since(mid)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(hits.Nanoseconds())/float64(n*chunk), "ns/hit")
			b.ReportMetric(float64(floor.Nanoseconds())/float64(n*chunk), "ns/floor")
			b.ReportMetric(float64(hits)/float64(floor), "x-floor")
		})
	}
}

// BenchmarkMiss is a load of a key that nobody has asked for, in a full cache.
func BenchmarkMiss(b *testing.B) {
	ctx := context.Background()
	f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return 1_000_000, nil }, config.Capacity(1000)))
	b.ReportAllocs()
	key := 0
	for b.Loop() {
		key++
		_, _ = f.Call(ctx, key)
	}
	_ = f.Close(ctx)
}

// BenchmarkMissParallel has loads begin and end side by side.
func BenchmarkMissParallel(b *testing.B) {
	ctx := context.Background()
	f := memoize.Must(memoize.New(func(_ context.Context, key int) (int, error) { return -key, nil }, config.Capacity(1000)))
	var key atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			key := int(key.Add(1))
			if got, err := f.Call(ctx, key); got != -key || err != nil {
				b.Fail()
			}
		}
	})
	_ = f.Close(ctx)
}

// BenchmarkRefresh is a stale hit with the refresh that it starts.
func BenchmarkRefresh(b *testing.B) {
	ctx := context.Background()
	f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return 1_000_000, nil }, config.UpdateAfter(0), config.ExpireAfter(time.Hour)))
	_, _ = f.Call(ctx, 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = f.Call(ctx, 1)
		_ = f.Wait(ctx)
	}
	_ = f.Close(ctx)
}
