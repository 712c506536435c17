package benchmarks

import (
	"context"
	"strconv"
	"time"

	"github.com/viccon/sturdyc"
)

const (
	sturdycShards  = 10
	sturdycEvicted = 10 // percent of a shard that goes when it is full

	// sturdycRetry is how long sturdyc waits until it starts another refresh
	// of a key whose refresh has not ended.
	sturdycRetry = time.Minute
)

func newSturdycClient(s Settings) *sturdyc.Client[*Value] {
	return sturdyc.New[*Value](s.Capacity, sturdycShards, s.ExpireAfter, sturdycEvicted,
		sturdyc.WithEarlyRefreshes(s.RefreshAfter, s.RefreshAfter, s.ExpireAfter, sturdycRetry),
		sturdyc.WithNoContinuousEvictions()) // its goroutine never ends
}

func newSturdyc(s Settings, load Load[string]) Cache[string] {
	c := newSturdycClient(s)
	return Cache[string]{
		Get: func(ctx context.Context, key string) *Value {
			v, err := c.GetOrFetch(ctx, key, func(ctx context.Context) (*Value, error) { return load(ctx, key) })
			if err != nil {
				return nil
			}
			return v
		},
		Settle: func() {},
		Len:    c.Size,
		Close:  func() {},
	}
}

func newSturdycInts(s Settings, load Load[int]) Cache[int] {
	c := newSturdycClient(s)
	return Cache[int]{
		Get: func(ctx context.Context, key int) *Value {
			v, err := c.GetOrFetch(ctx, strconv.Itoa(key), func(ctx context.Context) (*Value, error) { return load(ctx, key) })
			if err != nil {
				return nil
			}
			return v
		},
		Settle: func() {},
		Len:    c.Size,
		Close:  func() {},
	}
}
