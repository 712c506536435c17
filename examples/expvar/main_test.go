package main

import (
	"bytes"
	"expvar"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is written to by loads and sweeps too, as os.Stdout may be.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		if err := run(t.Context(), &out, new(expvar.Map)); err != nil {
			t.Fatal(err)
		}
		const want = `# the first call
event load started: rate("EUR")
event load ended: rate("EUR")
event stored: rate("EUR")
1.25 (miss)
# fresh: no event
1.25 (hit)
# stale, the refresh fails
event load started: rate("EUR")
event load ended: rate("EUR")
level=WARN msg="refreshes fail, stale values are served until they expire" func=rate key="\"EUR\"" cause=refresh err="the bank does not answer"
event refresh failing: rate("EUR")
event delayed: rate("EUR")
1.25 (stale)
event dropped: rate("EUR")
# expired, the load fails
event load started: rate("EUR")
event load ended: rate("EUR")
level=WARN msg="loads fail, callers get the error or, by config.StaleIfError, an older value" func=rate key="\"EUR\"" cause=miss err="the bank does not answer"
event failing: rate("EUR")
error memoize: load of rate for key "EUR" failed: the bank does not answer
# the bank is back
event load started: rate("EUR")
event load ended: rate("EUR")
event stored: rate("EUR")
1.25 (miss)
# what a monitor reads
calls 5: fresh 1, stale 1, loaded 2, failed 1; runs of the source 4, failed 2
`
		if got := out.text.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
