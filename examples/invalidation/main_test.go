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
		const want = `home, version 1
home, version 1
invalidated
home, version 2
home, version 2
`
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
