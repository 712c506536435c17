package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/resilient"
)

// Over a link on which it takes longer to connect than a call may, a server that was
// cut off is found again, and stays found where several ask at once.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	p := newSlowProxy(t, servers.Redis(t), wire/3)
	rdb := redis.NewClient(&redis.Options{Addr: p.addr(), ContextTimeoutEnabled: true, MaxRetries: 1, Protocol: 2})
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := resilient.New(redisstore.NewValues(rdb), resilient.Timeout(wire), resilient.Observe(nil))
	noError(t, err)
	noError(t, s.Flush(ctx))
	if err := s.Set(ctx, "a", nil, storage.Forever); err != nil && !errors.Is(err, storage.ErrQueued) {
		t.Fatal(err)
	}
	noError(t, s.Flush(ctx))
	p.set(cut)
	if err := s.Set(ctx, "a", []byte("1"), storage.Forever); !errors.Is(err, storage.ErrQueued) {
		t.Fatalf("Set while it is cut: %v", err)
	}
	p.set(whole)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err, s.Stats())
	}
	trips := s.Stats().Trips
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			if err := s.Set(ctx, fmt.Sprint(n), nil, storage.Forever); err != nil {
				t.Errorf("Set: %v", err)
			}
		})
	}
	all.Wait()
	if stats := s.Stats(); stats.Trips != trips {
		t.Errorf("%v: %v", stats.State, stats.Err)
	}
	noError(t, s.Close(ctx))
}
