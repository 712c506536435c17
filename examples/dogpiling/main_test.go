package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		if err := run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		const want = `calls of the memoized function: 250
predicted runs of the source:   17
actual runs of the source:      17
`
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
