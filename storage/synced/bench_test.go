package synced_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/synced"
)

// BenchmarkAgainstBare compares what values cost with the bare commands that do
// the least of the same. Both are done by turns, so that the ratio is one of the
// same moments.
func BenchmarkAgainstBare(b *testing.B) {
	s := servers.Redis(b)
	bare := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2})
	defer closes(b, bare)
	type user struct {
		Name  string
		Email string
		Tags  []string
	}
	small, large := true, user{"ann", "ann@example.org", strings.Fields(strings.Repeat("tag ", 20))}
	set := func(ctx context.Context) error { return bare.Set(ctx, "bare", "true", 0).Err() }
	get := func(ctx context.Context) error { return bare.Get(ctx, "bare").Err() }
	if err := set(b.Context()); err != nil {
		b.Fatal(err)
	}
	m := opened(b, s)
	flag, record := of1(synced.NewVar[bool](m, "flag"))(b), of1(synced.NewVar[user](m, "user"))(b)
	setFlag := func(ctx context.Context) error { return flag.Set(ctx, small) }
	getFlag := func(ctx context.Context) error { return last(flag.Get(ctx)) }
	setRecord := func(ctx context.Context) error { return record.Set(ctx, large) }
	getRecord := func(ctx context.Context) error { return last(record.Get(ctx)) }
	b.Run("Set to SET", func(b *testing.B) { compare(b, 1, set, setFlag) })
	b.Run("Set of a struct to SET", func(b *testing.B) { compare(b, 1, set, setRecord) })
	b.Run("Update to SET", func(b *testing.B) {
		compare(b, 1, set, func(ctx context.Context) error {
			return last(flag.Update(ctx, func(bool) (bool, error) { return small, nil }))
		})
	})
	b.Run("Get to GET", func(b *testing.B) { compare(b, 1, get, getFlag) })
	b.Run("Get of a struct to GET", func(b *testing.B) { compare(b, 1, get, getRecord) })

	ctx, cancel := context.WithCancel(b.Context())
	told, ended := make(chan synced.Change, 100), make(chan error)
	go func() { ended <- m.Watch(ctx, func(c synced.Change) { told <- c }) }()
	<-told
	for _, get := range []func(context.Context) error{getFlag, getRecord} { // has a copy that is current
		if err := get(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	const many = 100
	b.Run("watched Get to GET", func(b *testing.B) { compare(b, many, get, getFlag) })
	b.Run("watched Get of a struct to GET", func(b *testing.B) { compare(b, many, get, getRecord) })
	cancel()
	<-ended

	other := servers.Redis(b) // goes away
	m = opened(b, other)
	flag = of1(synced.NewVar[bool](m, "flag"))(b)
	if err := flag.Set(b.Context(), small); err != nil {
		b.Fatal(err)
	}
	other.Kill()
	_ = flag.Set(b.Context(), small) // is queued, and opens the breaker
	b.Run("Get while away to GET", func(b *testing.B) { compare(b, many, get, getFlag) })
	b.Run("Set while away to GET", func(b *testing.B) {
		compare(b, many, get, func(ctx context.Context) error {
			if err := flag.Set(ctx, small); err == nil {
				b.Fatal("it is not queued")
			}
			return nil
		})
	})
}

// compare reports what ours, which is done many times in a turn, costs of bare.
func compare(b *testing.B, many int, bare, ours func(ctx context.Context) error) {
	ctx := b.Context()
	var ofBare, ofOurs time.Duration
	for b.Loop() {
		ofBare += timed(b, ctx, 1, bare)
		ofOurs += timed(b, ctx, many, ours)
	}
	n := float64(b.N)
	b.ReportMetric(float64(ofBare)/n, "bare-ns/op")
	b.ReportMetric(float64(ofOurs)/n/float64(many), "ours-ns/op")
	b.ReportMetric(float64(ofOurs)/float64(many)/float64(ofBare), "ratio")
	b.ReportMetric(0, "ns/op") // is of both
}

func timed(b *testing.B, ctx context.Context, many int, do func(ctx context.Context) error) time.Duration {
	start := time.Now()
	for range many {
		if err := do(ctx); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

// of1 is what a constructor has made.
func of1[V any](v V, err error) func(b *testing.B) V {
	return func(b *testing.B) V {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
}
