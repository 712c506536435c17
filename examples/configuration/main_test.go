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
		const tried = `  searching for [Go]
  Go   [about go]
  GO   [about go]
  searching for [rust]
  rust [about rust]
  searching for [zig]
  zig  [about zig]
  searching for [go]
  go   [about go]
  memoize: load of search for key "hang" timed out: memoize: the load took longer than the method timeout: make the source faster, or raise config.MethodTimeout (it is 1s)
`
		const want = "an object of own parts:\n" + tried + "the same by options:\n" + tried
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
