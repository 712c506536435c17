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
		const want = `# lifetimes
ann: version 1, ["new"] (miss)
level=INFO msg="configuration changed" func=profiles changes="Builder LifeSpan[update after 1m0s, expire after 30m0s] to LifeSpan[update after 100ms, expire after 1h0m0s]"
bob: version 2, ["new"] (miss)
ann: version 1, ["new"] (hit)
bob: version 2, ["new"] (stale)
level=INFO msg="configuration changed" func=profiles changes="Builder LifeSpan[update after 100ms, expire after 1h0m0s] to LifeSpan[update after 1m0s, expire after 1h0m0s]"
# strategy
5 entries
level=INFO msg="configuration changed" func=profiles changes="Eviction TinyLFU[capacity 4096] to LeastRecentlyUpdated[capacity 2]"
2 entries
# postprocessing
ann: version 7, ["changed by a caller"] (hit)
level=INFO msg="configuration changed" func=profiles changes="Postprocess NoPostprocessing to DeepCopy"
ann: version 8, ["new"] (hit)
# bypass
level=INFO msg="configuration changed" func=profiles changes="Bypass false to true"
ann: version 9, ["new"] (direct)
ann: version 10, ["new"] (direct)
level=INFO msg="configuration changed" func=profiles changes="Bypass true to false"
ann: version 8, ["new"] (hit)
ann: version 8, ["new"] (hit)
# rejected
entry: update-after 2h0m0s is above expire-after 1h0m0s: an entry would expire before its refresh is due; give at most 1h0m0s
config: Evict is given a *eviction.leastRecentlyUpdated[int], and this function needs eviction.Strategy[string]
nothing changed: true
`
		if got := out.String(); got != want {
			t.Errorf("run printed\n%s\nwant\n%s", got, want)
		}
	})
}
