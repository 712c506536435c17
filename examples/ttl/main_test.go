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
		const want = `miss  ann-1, 0s of 1s old
hit   ann-1, 450ms of 1s old
stale ann-1, 900ms of 1s old
hit   ann-2, 450ms of 2s old
hit   ann-2, 900ms of 2s old
hit   ann-2, 1.35s of 2s old
stale ann-2, 1.8s of 2s old
hit   ann-3, 450ms of 3s old
hit   ann-3, 900ms of 3s old
hit   ann-3, 1.35s of 3s old
`
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
