package storage_test

import (
	"strings"
	"testing"

	"github.com/perennial-go/perennial/storage"
)

// A zero option is an error, and no panic; where none can be returned it says nothing.
func TestZeroOptions(t *testing.T) {
	m := storage.NewMemory(storage.MemoryOption{})
	if _, err := storage.Share(m, storage.ShareOption{}); err == nil || !strings.Contains(err.Error(), "zero ShareOption") {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
