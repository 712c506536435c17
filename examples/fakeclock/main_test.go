package main

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStaleUserIsRefreshedOnce(t *testing.T) {
	ctx := t.Context()
	var loads atomic.Int64
	load := func(context.Context, int64) (string, error) {
		loads.Add(1)
		return "Ann", nil
	}

	mock := clock.NewMock()
	users, err := memoize.New(load, config.UpdateAfter(time.Minute), config.Clock(mock))
	if err != nil {
		t.Fatal(err)
	}
	call := func() {
		t.Helper()
		if user, err := users.Call(ctx, 42); user != "Ann" || err != nil {
			t.Fatalf("Call returned %q and error %v", user, err)
		}
	}
	call() // a miss: waits for its load
	mock.Add(61 * time.Second)
	call() // stale: answered at once, refreshed in the background
	if err := users.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	call() // fresh again

	if got := loads.Load(); got != 2 {
		t.Errorf("the source ran %d times, want 2: the miss and one refresh", got)
	}
}

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `00:00:00  user 42, version 1, 0s      (miss)
00:00:59  user 42, version 1, 59s     (hit)
00:01:00  user 42, version 1, 1m0s    (stale)
00:01:00  user 42, version 2, 0s      (hit)
01:00:00  user 42, version 2, 59m0s   (stale)
02:00:00  user 42, version 4, 0s      (miss)
`
	if got := out.String(); got != want {
		t.Errorf("run printed\n%s\nwant\n%s", got, want)
	}
}
