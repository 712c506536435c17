package promobserve_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/memoize"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("the source is down")

// counted is a function with counters of the test's making.
type counted struct {
	name  string
	stats memoize.Stats
}

func (f *counted) Name() string         { return f.name }
func (f *counted) Stats() memoize.Stats { return f.stats }

// must is what New returns; it is closed at the end of the test.
func must[A, V any](t testing.TB) func(f *memoize.Func[A, V], err error) *memoize.Func[A, V] {
	return func(f *memoize.Func[A, V], err error) *memoize.Func[A, V] {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return f
	}
}
