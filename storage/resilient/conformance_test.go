package resilient_test

import (
	"context"
	"testing"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/storagetest"
)

// Over a store with versions, and over a plain one, a Store passes the conformance suite.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name string
		can  storagetest.Capability
		over func(m *storage.Memory, clock resilient.Option) (storage.Bytes, closer, error)
	}{
		{"versioned", storagetest.Watcher | storagetest.KeyLimit, func(m *storage.Memory, clock resilient.Option) (storage.Bytes, closer, error) {
			s, err := resilient.New(m, clock)
			return s, s, err
		}},
		{"plain", 0, func(m *storage.Memory, clock resilient.Option) (storage.Bytes, closer, error) {
			s, err := resilient.New(bare{m}, clock)
			return bare{s}, s, err
		}},
		{"cache", storagetest.Fenced | storagetest.KeyLimit, func(m *storage.Memory, clock resilient.Option) (storage.Bytes, closer, error) {
			c, err := resilient.NewCache(m, clock)
			return c, c, err
		}},
		{"bulk cache", storagetest.Bulk | storagetest.Lister | storagetest.Fenced | storagetest.KeyLimit, func(m *storage.Memory, clock resilient.Option) (storage.Bytes, closer, error) {
			c, err := resilient.NewBulkCache(m, clock)
			return c, c, err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mock := clock.NewMock()
			storagetest.TestBytes(t, storagetest.Store{
				New: func(t *testing.T) storage.Bytes {
					m := storage.NewMemory(storage.MemoryClock(mock))
					b, s, err := c.over(m, resilient.Clock(mock))
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := s.Close(context.Background()); err != nil {
							t.Error(err)
						}
						if err := m.Close(); err != nil {
							t.Error(err)
						}
					})
					return b
				},
				Can:     c.can,
				Advance: mock.Add,
				Exact:   true,
				MaxKey:  1 << 10,
			})
		})
	}
}

type closer interface {
	Close(ctx context.Context) error
}
