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
		rolls := 40
		roll := func() int { rolls++; return rolls }
		var out strings.Builder
		if err := run(t.Context(), &out, roll); err != nil {
			t.Fatal(err)
		}
		const want = `expensive-computation-41 after 500ms
expensive-computation-41 after 0s
expensive-computation-41 after 0s
`
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
