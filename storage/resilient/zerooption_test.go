package resilient_test

import (
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A zero option is an error, and no panic.
func TestZeroOptions(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		_, made := resilient.New(at, resilient.Option{})
		_, cache := resilient.NewBulkCache(at, resilient.Option{})
		_, _, update := updated(s.Update(t.Context(), "a", func(storage.Record) ([]byte, time.Duration, error) { return nil, 0, nil }, resilient.UpdateOption{}))
		for what, err := range map[string]error{"New": made, "NewBulkCache": cache, "Update": update} {
			if err == nil || !strings.Contains(err.Error(), "a zero ") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
