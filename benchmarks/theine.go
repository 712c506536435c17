package benchmarks

import (
	"context"

	"github.com/Yiling-J/theine-go"
)

func newTheine[K Key](s Settings, load Load[K]) Cache[K] {
	c, err := theine.NewBuilder[K, *Value](int64(s.Capacity)).Loading(
		func(ctx context.Context, key K) (theine.Loaded[*Value], error) {
			v, err := load(ctx, key)
			return theine.Loaded[*Value]{Value: v, Cost: 1, TTL: s.ExpireAfter}, err
		}).Build()
	if err != nil {
		panic(err)
	}
	return Cache[K]{
		Get: func(ctx context.Context, key K) *Value {
			v, err := c.Get(ctx, key)
			if err != nil {
				return nil
			}
			return v
		},
		Settle: c.Wait,
		Len:    c.Len,
		Close:  c.Close,
	}
}
