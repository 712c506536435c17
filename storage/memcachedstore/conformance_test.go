package memcachedstore

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/storagetest"
)

const (
	canDo    = storagetest.Adder | storagetest.Fenced | storagetest.Swapper | storagetest.KeyLimit
	maxValue = 1<<20 - 512 // with header, key and what memcached needs
)

// TestConformance has a clock of its own: ends are exact, whatever memcached's
// time is.
func TestConformance(t *testing.T) {
	addr := servers.Memcached(t).Addr()
	c := mock()
	storagetest.TestBytes(t, storagetest.Store{
		New: func(t *testing.T) storage.Bytes {
			return closed(t, newStore([]*node{newNode(serverOf(addr), 2*time.Second, 8)}, []Option{Clock(c)}))
		},
		Can: canDo, MaxValue: maxValue, MaxKey: 1 << 10, Advance: c.Add, Exact: true, Steps: 1000,
	})
}

// TestConformanceInRealTime has records end on the server, of which there are
// three.
func TestConformanceInRealTime(t *testing.T) {
	var addrs []string
	for range 3 {
		addrs = append(addrs, servers.Memcached(t).Addr())
	}
	storagetest.TestBytes(t, storagetest.Store{
		New: func(t *testing.T) storage.Bytes { return at(t, addrs...) },
		Can: canDo, MaxValue: maxValue, Advance: time.Sleep,
	})
}
