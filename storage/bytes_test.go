package storage_test

import (
	"testing"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/storagetest"
)

const everything = storagetest.Bulk | storagetest.Adder | storagetest.Toucher | storagetest.Lister

func TestMemoryIsAStoreOfBytes(t *testing.T) {
	mock := clock.NewMock()
	storagetest.TestBytes(t, storagetest.Store{
		New:      func(*testing.T) storage.Bytes { return storage.NewMemory(storage.MemoryClock(mock)) },
		Can:      everything | storagetest.Fenced | storagetest.Swapper | storagetest.Versioned | storagetest.Watcher,
		MaxValue: 8 << 20,
		MaxKey:   1 << 16,
		Advance:  mock.Add,
		Exact:    true,
	})
}

func TestNullIsAStoreOfBytes(t *testing.T) {
	storagetest.TestBytes(t, storagetest.Store{
		New:          func(*testing.T) storage.Bytes { return storage.Null{} },
		Can:          everything,
		KeepsNothing: true,
	})
}
