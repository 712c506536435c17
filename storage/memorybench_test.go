package storage_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// benchKeys is enough keys that the processor's caches do not hold them all.
func benchKeys() []string {
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("svc:users:1:%d", i)
	}
	return keys
}

func BenchmarkMemory(b *testing.B) {
	ctx, keys, value := context.Background(), benchKeys(), make([]byte, 256)
	filled := func(b *testing.B, capacity int) *storage.Memory {
		m := storage.NewMemory(storage.MemoryCapacity(capacity))
		b.Cleanup(func() { _ = m.Close() })
		for _, key := range keys {
			if err := m.Set(ctx, key, value, time.Hour); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		b.ResetTimer()
		return m
	}
	b.Run("Get", func(b *testing.B) {
		m := filled(b, 0)
		for i := 0; b.Loop(); i++ {
			if r, _ := m.Get(ctx, keys[i%len(keys)]); !r.Found {
				b.Fatal("nothing is found")
			}
		}
	})
	b.Run("GetParallel", func(b *testing.B) {
		m := filled(b, 0)
		var start atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for i := start.Add(1 << 12); pb.Next(); i++ {
				if r, _ := m.Get(ctx, keys[i%uint64(len(keys))]); !r.Found {
					b.Error("nothing is found")
					return
				}
			}
		})
	})
	b.Run("Set", func(b *testing.B) {
		m := filled(b, 0)
		for i := 0; b.Loop(); i++ {
			if err := m.Set(ctx, keys[i%len(keys)], value, time.Hour); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("SetThatPutsOthersOut", func(b *testing.B) {
		m := filled(b, len(keys)/2*(storage.RecordCost+len(keys[0])+len(value)))
		for i := 0; b.Loop(); i++ {
			if err := m.Set(ctx, keys[i%len(keys)], value, time.Hour); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("GetMany100", func(b *testing.B) {
		m := filled(b, 0)
		for i := 0; b.Loop(); i++ {
			at := i * 100 % (len(keys) - 100)
			if rs, _ := m.GetMany(ctx, keys[at:at+100]); !rs[99].Found {
				b.Fatal("nothing is found")
			}
		}
	})
	b.Run("ClaimAndFill", func(b *testing.B) {
		m := filled(b, 0)
		for i := 0; b.Loop(); i++ {
			key := keys[i%len(keys)]
			claims, _ := m.Claim(ctx, time.Minute, key)
			stored, err := m.Fill(ctx, storage.Filling{Item: storage.Item{Key: key, Value: value, Keep: time.Hour}, Token: claims[0].Token})
			if err != nil || !stored[0] {
				b.Fatal(stored, err)
			}
		}
	})
}

// BenchmarkMemoryOfARecord compares what records take with what a Memory thinks
// that they do.
func BenchmarkMemoryOfARecord(b *testing.B) {
	for _, size := range []int{0, 16, 100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			const n = 200_000
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				m := storage.NewMemory(storage.MemoryCapacity(1 << 30))
				for i := range n {
					if err := m.Set(context.Background(), fmt.Sprintf("svc:users:1:%d", i), make([]byte, size), time.Hour); err != nil {
						b.Fatal(err)
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				_, thought := m.Held()
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/record")
				b.ReportMetric(float64(thought)/n, "B-thought/record")
				_ = m.Close()
			}
		})
	}
}
