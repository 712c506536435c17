package benchmarks

import (
	"context"

	"github.com/dgraph-io/ristretto/v2"
)

// newRistretto loads by hand, which is enough to fill the cache: ristretto has
// no loader, and what it is given can be read only some time later.
func newRistretto[K Key](s Settings, load Load[K]) Cache[K] {
	c, err := ristretto.NewCache(&ristretto.Config[K, *Value]{
		NumCounters:        int64(10 * s.Capacity), // what its documentation says
		MaxCost:            int64(s.Capacity),
		BufferItems:        64, // likewise
		IgnoreInternalCost: true,
	})
	if err != nil {
		panic(err)
	}
	return Cache[K]{
		Get: func(ctx context.Context, key K) *Value {
			if v, ok := c.Get(key); ok {
				return v
			}
			v, err := load(ctx, key)
			if err != nil {
				return nil
			}
			c.SetWithTTL(key, v, 1, s.ExpireAfter)
			return v
		},
		Settle: c.Wait,
		Len: func() int {
			n := 0
			c.IterValues(func(*Value) bool { n++; return false })
			return n
		},
		Close: c.Close,
	}
}
