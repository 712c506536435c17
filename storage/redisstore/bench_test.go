package redisstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

const benched = 100 // keys

// benchStore is a store with records of a size.
func benchStore(b *testing.B, size int) (*redis.Client, *redisstore.Entries, []string) {
	rdb := newClient(b, servers.Redis(b))
	e := redisstore.New(rdb)
	keys, items := make([]string, benched), make([]storage.Item, benched)
	for i := range keys {
		keys[i] = fmt.Sprintf("svc:users:1:%d", i)
		items[i] = storage.Item{Key: keys[i], Value: make([]byte, size), Keep: time.Hour}
	}
	if err := e.SetMany(b.Context(), items); err != nil {
		b.Fatal(err)
	}
	return rdb, e, keys
}

// BenchmarkGet compares a read with the bare command that fetches the value.
func BenchmarkGet(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		rdb, e, keys := benchStore(b, size)
		bare := func(ctx context.Context, i int) error { return rdb.HMGet(ctx, keys[i%benched], "v", "k", "x").Err() }
		ours := func(ctx context.Context, i int) error {
			r, err := e.Get(ctx, keys[i%benched])
			if err == nil && !r.Found {
				b.Fatal("it is not found")
			}
			return err
		}
		b.Run(fmt.Sprintf("%d bytes/HMGET", size), func(b *testing.B) { repeat(b, bare) })
		b.Run(fmt.Sprintf("%d bytes/Get", size), func(b *testing.B) { repeat(b, ours) })
	}
}

// BenchmarkGetMany compares a bulk of 100 with a bare pipeline.
func BenchmarkGetMany(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		rdb, e, keys := benchStore(b, size)
		bare := func(ctx context.Context, _ int) error {
			_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for _, key := range keys {
					pipe.HMGet(ctx, key, "v", "k", "x")
				}
				return nil
			})
			return err
		}
		ours := func(ctx context.Context, _ int) error {
			_, err := e.GetMany(ctx, keys)
			return err
		}
		b.Run(fmt.Sprintf("%d bytes/HMGET", size), func(b *testing.B) { repeat(b, bare) })
		b.Run(fmt.Sprintf("%d bytes/GetMany", size), func(b *testing.B) { repeat(b, ours) })
	}
}

// BenchmarkWrite is what writes cost, beside the two commands that would set a
// hash that ends.
func BenchmarkWrite(b *testing.B) {
	rdb, e, keys := benchStore(b, 100)
	value := make([]byte, 100)
	b.Run("HSET and PEXPIRE", func(b *testing.B) {
		repeat(b, func(ctx context.Context, i int) error {
			_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.HSet(ctx, keys[i%benched], "v", value, "k", 3_600_000)
				pipe.PExpire(ctx, keys[i%benched], time.Hour)
				return nil
			})
			return err
		})
	})
	b.Run("Set", func(b *testing.B) {
		repeat(b, func(ctx context.Context, i int) error { return e.Set(ctx, keys[i%benched], value, time.Hour) })
	})
	b.Run("Claim and Fill", func(b *testing.B) {
		repeat(b, func(ctx context.Context, i int) error {
			claims, err := e.Claim(ctx, time.Minute, keys[i%benched])
			if err != nil {
				return err
			}
			_, err = e.Fill(ctx, storage.Filling{Item: storage.Item{Key: keys[i%benched], Value: value, Keep: time.Hour}, Token: claims[0].Token})
			return err
		})
	})
}

func repeat(b *testing.B, do func(ctx context.Context, i int) error) {
	b.ReportAllocs()
	ctx, i := b.Context(), 0
	for b.Loop() {
		if err := do(ctx, i); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
