package memoize_test

import (
	"context"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
)

// BenchmarkMissBehindAGuard is a miss of a source that returns at once, which costs no
// more than 50 ns and no allocation for the guard.
func BenchmarkMissBehindAGuard(b *testing.B) {
	source := func(_ context.Context, key int) (int, error) { return key, nil }
	g, err := guard.New("source", guard.Logger(nil))
	if err != nil {
		b.Fatal(err)
	}
	for name, opts := range map[string][]config.Option{"none": nil, "guard": {config.Guard(g)}, "jitter": {config.Jitter(0.1)}} {
		b.Run(name, func(b *testing.B) {
			f, err := memoize.New(source, append(opts, config.Capacity(1000), config.Logger(nil))...)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = f.Close(context.Background()) })
			b.ReportAllocs()
			ctx, key := context.Background(), 0
			for b.Loop() {
				if _, err := f.Call(ctx, key); err != nil {
					b.Fatal(err)
				}
				key++
			}
		})
	}
}
