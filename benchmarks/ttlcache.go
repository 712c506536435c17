package benchmarks

import (
	"context"

	"github.com/jellydator/ttlcache/v3"
)

// newTTLCache makes a cache whose loader is given no context and returns no
// error: that is how ttlcache calls it.
func newTTLCache[K Key](s Settings, load Load[K]) Cache[K] {
	loader := ttlcache.LoaderFunc[K, *Value](func(c *ttlcache.Cache[K, *Value], key K) *ttlcache.Item[K, *Value] {
		v, err := load(context.Background(), key)
		if err != nil {
			return nil
		}
		return c.Set(key, v, ttlcache.DefaultTTL)
	})
	c := ttlcache.New(
		ttlcache.WithCapacity[K, *Value](uint64(s.Capacity)),
		ttlcache.WithTTL[K, *Value](s.ExpireAfter),
		ttlcache.WithDisableTouchOnHit[K, *Value](), // a hit does not lengthen a life
		ttlcache.WithLoader[K, *Value](ttlcache.NewSuppressedLoader[K, *Value](loader, nil)),
	)
	return Cache[K]{
		Get: func(_ context.Context, key K) *Value {
			item := c.Get(key)
			if item == nil {
				return nil
			}
			return item.Value()
		},
		Settle: func() {},
		Len:    c.Len,
		Close:  func() {},
	}
}
