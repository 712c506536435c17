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
		const want = `no such user:         no such user
again at once:        no such user
she has signed up:    ann, version 2 (miss, 0s old)
the database is down: ann, version 2 (rescued, 150ms old)
it is up, and slow:   ann, version 2 (rescued, 170ms old)
and then:             ann, version 4 (hit, 0s old)
she is deleted:       the user was deleted
down again:           memoize: load of user for key "ann" failed: the database is down
8 calls: 3 got an answer that is an error, 2 were rescued, 1 failed
`
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
