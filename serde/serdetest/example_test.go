package serdetest_test

import (
	"testing"

	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/serde/serdetest"
)

// A codec of your own is tried by one test of your package, func TestMine(t *testing.T).
func Example() {
	_ = func(t *testing.T) {
		serdetest.RunCodec(t, func() serde.Codec[string] { return serde.JSON[string]() },
			[]string{"", "a", "a longer text"}, func(got, want string) bool { return got == want })
	}
}
