package boltstore

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/storagetest"
)

const canDo = storagetest.Bulk | storagetest.Adder | storagetest.Toucher | storagetest.Lister | storagetest.Fenced | storagetest.Swapper | storagetest.KeyLimit

func TestConformance(t *testing.T) {
	c := mock()
	storagetest.TestBytes(t, storagetest.Store{
		New: func(t *testing.T) storage.Bytes {
			return open(t, "", Options{Clock: c, NoSync: true})
		},
		Can: canDo, Advance: c.Add, Exact: true,
	})
}

// TestConformanceInRealTime has records end by the clock that a store has if it is
// given none, which runs by itself.
func TestConformanceInRealTime(t *testing.T) {
	storagetest.TestBytes(t, storagetest.Store{
		New: func(t *testing.T) storage.Bytes { return open(t, "", Options{}) },
		Can: canDo, Advance: time.Sleep,
	})
}
