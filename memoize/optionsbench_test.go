package memoize_test

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// What a hit costs with none of the options for answers, rescues, tags and releases, and
// with all of them.
func BenchmarkHitWithOptions(b *testing.B) {
	for name, opts := range map[string][]config.Option{
		"none": nil,
		"all":  everyOption(),
	} {
		b.Run(name, func(b *testing.B) {
			f := hotFunction(opts)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.Call(ctx, "key")
			}
		})
	}
}

func everyOption() []config.Option {
	return []config.Option{
		config.Remember(time.Minute, errNone), config.Gone(errGone), config.StaleIfError(time.Hour), config.SoftTimeout(time.Second),
		config.Tags(func(string, int) []string { return []string{"tag"} }),
		config.OnRelease(func(string, int, observe.ReleaseCause) {}),
	}
}

func hotFunction(opts []config.Option) *memoize.Func[string, int] {
	f := memoize.Must(memoize.New(returning[string](1).load, opts...))
	_, _ = f.Call(context.Background(), "key")
	return f
}

func TestG13HitsDoNotAllocateWithOptions(t *testing.T) {
	f, ctx := hotFunction(everyOption()), context.Background()
	if n := testing.AllocsPerRun(1000, func() { _, _ = f.Call(ctx, "key") }); n > 0 {
		t.Errorf("a hit allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = f.Result(ctx, "key") }); n > 0 {
		t.Errorf("a Result of a hit allocates %v times", n)
	}
}
