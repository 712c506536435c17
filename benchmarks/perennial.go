package benchmarks

import (
	"context"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
)

var exact = []config.Option{config.ExactClock()}

func makePerennial[K Key](more ...config.Option) Make[K] {
	return func(s Settings, load Load[K]) Cache[K] {
		opts := append([]config.Option{config.Capacity(s.Capacity)}, more...)
		if s.LifeOf == nil {
			opts = append(opts, config.UpdateAfter(s.RefreshAfter), config.ExpireAfter(s.ExpireAfter))
		} else {
			opts = append(opts, config.Builder(entry.LifeOf[K](func(value *Value) entry.Life {
				life := s.LifeOf(value)
				return entry.Life{UpdateAfter: life, ExpireAfter: life}
			})))
		}
		f := memoize.Must(memoize.New(load, opts...))
		return Cache[K]{
			Get: func(ctx context.Context, key K) *Value {
				v, err := f.Call(ctx, key)
				if err != nil {
					return nil
				}
				return v
			},
			Set: func(key K, value *Value) {
				if err := f.Set(context.Background(), key, value); err != nil {
					panic(err)
				}
			},
			Settle: func() { _ = f.Wait(context.Background()) },
			Len:    f.Len,
			Close:  func() { _ = f.Close(context.Background()) },
		}
	}
}
