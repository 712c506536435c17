package memoize_test

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// BenchmarkOnRelease measures hits and Sets that replace a value, without and with
// config.OnRelease, in turn.
func BenchmarkOnRelease(b *testing.B) {
	ctx := context.Background()
	told := 0
	for _, c := range []struct {
		name string
		opts []config.Option
	}{
		{"without", nil},
		{"with", []config.Option{config.OnRelease(func(string, *user, observe.ReleaseCause) { told++ })}},
	} {
		f := memoize.Must(memoize.New(func(context.Context, string) (*user, error) { return new(user), nil }, append(c.opts, config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour))...))
		_, _ = f.Call(ctx, "key")
		b.Run("hit, "+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, err := f.Call(ctx, "key"); v == nil || err != nil {
					b.Fatal(v, err)
				}
			}
		})
		b.Run("set, "+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Set(ctx, "key", new(user)); err != nil {
					b.Fatal(err)
				}
			}
		})
		_ = f.Close(ctx)
	}
	if told == 0 {
		b.Error("nothing is told")
	}
}
