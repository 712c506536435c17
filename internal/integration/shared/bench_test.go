package shared

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// way is one of the ways to the same records that a benchmark compares.
type way struct {
	name string
	do   func(ctx context.Context) error
}

// compare takes the ways in turn, in slices of a run, and reports the median of
// each way's slices, beside the ratio to the first's.
func compare(b *testing.B, slice int, ways ...way) {
	ctx := context.Background()
	times := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, w := range ways {
			began := time.Now()
			for range slice {
				if err := w.do(ctx); err != nil {
					b.Fatal(w.name, err)
				}
			}
			times[i] = append(times[i], time.Since(began)/time.Duration(slice))
		}
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return float64(times[i][len(times[i])/2].Nanoseconds())
	}
	first := median(0)
	b.ReportMetric(0, "ns/op")
	for i, w := range ways {
		b.ReportMetric(median(i)/1e3, "µs/"+strings.ReplaceAll(w.name, ", ", "-"))
		if i > 0 {
			b.ReportMetric(median(i)/first, "x-"+strings.ReplaceAll(w.name, ", ", "-"))
		}
	}
}

// hits is a function whose values are in the store, as they are or in JSON.
func hits(b *testing.B, opts ...config.Option) (*redis.Client, *redisstore.Entries, *memoize.Func[string, string], []string, []string) {
	rdb := newClient(b, servers.Redis(b))
	e := redisstore.New(rdb)
	store, err := storage.Share(e, storage.Prefix(prefix))
	noError(b, err)
	value := strings.Repeat("x", 100)
	opts = append(opts, config.Store(store), config.Name("users"), config.ExpireAfter(time.Hour),
		config.StoreBudget(time.Minute, time.Minute), config.Logger(slog.New(slog.DiscardHandler)))
	f, err := memoize.New(func(context.Context, string) (string, error) { return value, nil }, opts...)
	noError(b, err)
	names, keys := make([]string, 100), make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprint(i)
		keys[i], err = f.Key(names[i])
		noError(b, err)
	}
	if _, err := f.CallMany(b.Context(), names); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if s := f.Stats(); s.Loads != uint64(len(names)) || s.StoreFaults > 0 {
			b.Errorf("%d loads, %d faults: not all were hits", s.Loads, s.StoreFaults)
		}
		noError(b, f.Close(context.Background()))
	})
	return rdb, e, f, names, keys
}

func asTheyAre(b *testing.B) config.Option {
	raw, err := serde.Raw[string]()
	noError(b, err)
	return config.Codec(raw)
}

// peer is go-redis/cache, which has a text and no life beside it, in a string.
func peer(b *testing.B, rdb *redis.Client) func(ctx context.Context) error {
	c := cache.New(&cache.Options{Redis: rdb})
	value := strings.Repeat("x", 100)
	return func(ctx context.Context) error {
		var got string
		return c.Once(&cache.Item{Ctx: ctx, Key: "peer", Value: &got, TTL: time.Hour, Do: func(*cache.Item) (any, error) { return value, nil }})
	}
}

// BenchmarkHit compares a hit with the bare command that fetches the same record,
// and with go-redis/cache.
func BenchmarkHit(b *testing.B) {
	rdb, e, f, names, keys := hits(b, asTheyAre(b))
	_, _, g, _, _ := hits(b)
	compare(b, 500,
		way{"HMGET", func(ctx context.Context) error { return rdb.HMGet(ctx, keys[7], "v", "k", "x").Err() }},
		way{"PTTL+HMGET", func(ctx context.Context) error {
			_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.PTTL(ctx, keys[7])
				pipe.HMGet(ctx, keys[7], "v", "k", "x")
				return nil
			})
			return err
		}},
		way{"Get", func(ctx context.Context) error { _, err := e.Get(ctx, keys[7]); return err }},
		way{"Call", func(ctx context.Context) error { _, err := f.Call(ctx, names[7]); return err }},
		way{"Call, JSON", func(ctx context.Context) error { _, err := g.Call(ctx, names[7]); return err }},
		way{"go-redis/cache", peer(b, rdb)})
}

// BenchmarkHits compares hits for 100 keys with the bare pipeline that fetches
// the same records.
func BenchmarkHits(b *testing.B) {
	rdb, e, f, names, keys := hits(b, asTheyAre(b))
	_, _, g, _, _ := hits(b)
	bare := func(times bool) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for _, key := range keys {
					if times {
						pipe.PTTL(ctx, key)
					}
					pipe.HMGet(ctx, key, "v", "k", "x")
				}
				return nil
			})
			return err
		}
	}
	compare(b, 50,
		way{"HMGET", bare(false)},
		way{"PTTL+HMGET", bare(true)},
		way{"GetMany", func(ctx context.Context) error { _, err := e.GetMany(ctx, keys); return err }},
		way{"CallMany", func(ctx context.Context) error { _, err := f.CallMany(ctx, names); return err }},
		way{"CallMany, JSON", func(ctx context.Context) error { _, err := g.CallMany(ctx, names); return err }})
}
