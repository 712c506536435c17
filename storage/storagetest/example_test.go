package storagetest_test

import (
	"testing"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/storagetest"
)

// A storage of your own is tried by one test of your package, func TestMine(t *testing.T).
func Example() {
	_ = func(t *testing.T) {
		storagetest.Run(t, func(*testing.T) storage.Storage[string, int] {
			return storage.NewInMemory[string, int]()
		}, []string{"a", "b", "c"}, []int{1, 2, 3})
	}
}
