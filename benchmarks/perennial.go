package benchmarks

import (
	"context"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

var exact = []config.Option{config.ExactClock()}

func makePerennial[K Key](more ...config.Option) Make[K] {
	return func(s Settings, load Load[K]) Cache[K] {
		opts := append([]config.Option{
			config.Capacity(s.Capacity),
			config.UpdateAfter(s.RefreshAfter),
			config.ExpireAfter(s.ExpireAfter),
		}, more...)
		f := memoize.Must(memoize.New(load, opts...))
		return Cache[K]{
			Get: func(ctx context.Context, key K) *Value {
				v, err := f.Call(ctx, key)
				if err != nil {
					return nil
				}
				return v
			},
			Settle: func() { _ = f.Wait(context.Background()) },
			Len:    f.Len,
			Close:  func() { _ = f.Close(context.Background()) },
		}
	}
}
