package resilient_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// BenchmarkAway measures operations while the store is away: 10,000 of them should take
// less than 50 ms in all, 5 µs each.
func BenchmarkAway(b *testing.B) {
	at := newServer()
	s, err := resilient.New(at, resilient.Observe(nil))
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
		if _, err := outcomeOf(s.Set(ctx, keys[i], []byte("value"), storage.Forever)); err != nil {
			b.Fatal(err)
		}
	}
	at.stop()
	_, _ = s.Get(ctx, keys[0])
	value := []byte("another")
	for _, c := range []struct {
		name string
		do   func(key string) error
	}{
		{"get", func(key string) error { _, err := s.Get(ctx, key); return err }},
		{"put", func(key string) error { _, err := outcomeOf(s.Set(ctx, key, value, storage.Forever)); return err }},
		{"remove", func(key string) error { _, err := deleted(s.Delete(ctx, key)); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := c.do(keys[i%len(keys)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	at.start()
	if err := s.Close(ctx); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkUp measures what a Store adds to a store that answers at once; "bare" is the
// store alone.
func BenchmarkUp(b *testing.B) {
	m := storage.NewMemory()
	s, err := resilient.New(m)
	if err != nil {
		b.Fatal(err)
	}
	ctx, value := context.Background(), []byte("value")
	watching, stop := context.WithCancel(ctx)
	seen := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Watch(watching, "watched", func(storage.Changed) {
			select {
			case seen <- struct{}{}:
			default:
			}
		})
	}()
	<-seen
	for _, key := range []string{"key", "watched"} {
		if _, err := outcomeOf(s.Set(ctx, key, value, storage.Forever)); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"bare get", func() error { _, err := m.Get(ctx, "key"); return err }},
		{"get", func() error { _, err := s.Get(ctx, "key"); return err }},
		{"watched get", func() error { _, err := s.Get(ctx, "watched"); return err }},
		{"bare set", func() error { return m.Set(ctx, "other", value, storage.Forever) }},
		{"put", func() error { _, err := outcomeOf(s.Set(ctx, "key", value, storage.Forever)); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	stop()
	<-done
	if err := s.Close(ctx); err != nil {
		b.Fatal(err)
	}
}
