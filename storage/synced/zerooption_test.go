package synced_test

import (
	"strings"
	"testing"

	"github.com/perennial-go/perennial/storage/synced"
)

// A zero option is an error, and no panic.
func TestZeroOptions(t *testing.T) {
	if _, err := synced.Open(t.Context(), synced.OpenOption{}); err == nil || !strings.Contains(err.Error(), "a zero OpenOption") {
		t.Error(err)
	}
}
