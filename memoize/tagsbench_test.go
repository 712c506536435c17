package memoize_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// A hit of a function with tags, beside one without, in turns: the shortest turn counts, for
// others use the machine too.
func BenchmarkHitWithTags(b *testing.B) {
	ctx := context.Background()
	source := func(context.Context, string) (*user, error) { return new(user), nil }
	plain := memoize.Must(memoize.New(source))
	tagged := memoize.Must(memoize.New(source, config.Tags(func(string, *user) []string { return []string{"a", "b"} })))
	key := fmt.Sprintf("%016d", 7)
	for range 100 {
		_, _ = plain.Call(ctx, key)
		_, _ = tagged.Call(ctx, key)
	}
	const chunk = 1000
	took := [2]time.Duration{time.Hour, time.Hour}
	b.ReportAllocs()
	for b.Loop() {
		for i, f := range []*memoize.Func[string, *user]{plain, tagged} {
			began := time.Now()
			for range chunk {
				if v, err := f.Call(ctx, key); v == nil || err != nil {
					b.Fatal(v, err)
				}
			}
			took[i] = min(took[i], time.Since(began))
		}
	}
	b.ReportMetric(float64(took[0].Nanoseconds())/chunk, "ns/plain")
	b.ReportMetric(float64(took[1].Nanoseconds())/chunk, "ns/tagged")
}

// A miss of a function whose values have a tag, beside one without.
func BenchmarkMissWithTags(b *testing.B) {
	for name, opts := range map[string][]config.Option{
		"plain":  {config.Capacity(1000)},
		"tagged": {config.Capacity(1000), config.Tags(func(k, _ int) []string { return []string{"some"} })},
	} {
		b.Run(name, func(b *testing.B) {
			f := memoize.Must(memoize.New(func(_ context.Context, k int) (int, error) { return k, nil }, opts...))
			ctx, k := context.Background(), 0
			for b.Loop() {
				k++
				_, _ = f.Call(ctx, k)
			}
		})
	}
}

// A tag of a thousand entries among a million is invalidated, beside as many plain
// invalidations, and what tags take of memory.
func BenchmarkInvalidateTag(b *testing.B) {
	const entries, tags, each = 1_000_000, 10_000, 1000
	ctx := context.Background()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	names := make([]string, tags)
	for i := range names {
		names[i] = fmt.Sprint("tag", i)
	}
	keys := make([]string, entries)
	for i := range keys {
		keys[i] = fmt.Sprintf("%012d", i)
	}
	var used [2]int64
	var took [2]time.Duration
	least := [2]time.Duration{time.Hour, time.Hour}
	ofTag := func(tag int) (keys []int) { // a thousand, far apart
		for i := range each {
			keys = append(keys, (tag%1000)+i*(entries/each))
		}
		return keys
	}
	for kind, opts := range [][]config.Option{{}, {config.Tags(func(_ string, v int) []string {
		return []string{names[v%1000], names[1000+v%9000]} // of a thousand entries each, and of a hundred or so
	})}} {
		f := memoize.Must(memoize.New(func(_ context.Context, k string) (int, error) {
			var v int
			_, _ = fmt.Sscanf(k, "%d", &v)
			return v, nil
		}, append(opts, config.Capacity(entries), config.ExpireAfter(24*time.Hour))...))
		before := heap()
		for i, k := range keys {
			if err := f.Set(ctx, k, i); err != nil {
				b.Fatal(err)
			}
		}
		used[kind] = heap() - before
		runs := 0
		b.Run([]string{"plain", "tagged"}[kind], func(b *testing.B) {
			for b.Loop() {
				tag := runs % 1000
				runs++
				began := time.Now()
				if kind == 0 {
					for _, i := range ofTag(tag) {
						_ = f.Invalidate(ctx, keys[i])
					}
				} else if err := f.InvalidateTag(ctx, names[tag]); err != nil {
					b.Fatal(err)
				}
				last := time.Since(began)
				took[kind] += last
				least[kind] = min(least[kind], last)
				if _, ok := f.Peek(ctx, keys[tag]); ok {
					b.Fatal("still there")
				}
				b.StopTimer()
				for _, i := range ofTag(tag) {
					_ = f.Set(ctx, keys[i], i)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(took[kind].Microseconds())/float64(runs)/1000, "ms/1000")
			b.ReportMetric(float64(least[kind].Microseconds())/1000, "least-ms/1000")
			if kind == 1 {
				b.ReportMetric(float64(used[1]-used[0])/(2*entries), "B/entry+tag")
			}
		})
		_ = f.Close(ctx)
	}
}
