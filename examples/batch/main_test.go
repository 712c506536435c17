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
		const want = `[apple bread]
  the source is asked for [apple bread]
  apple costs 60 cents
  bread costs 250 cents
[bread unicorn cheese apple bread]
  the source is asked for [unicorn cheese]
  bread costs 250 cents
  unicorn is not for sale
  cheese costs 790 cents
  apple costs 60 cents
  bread costs 250 cents
[dates cheese]
  the source is asked for [dates]
  dates costs 420 cents
  cheese costs 790 cents
`
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
