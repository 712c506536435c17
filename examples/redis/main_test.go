package main

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged is what goes to the log during a test.
func logged(t *testing.T) *strings.Builder {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var lines strings.Builder
	slog.SetDefault(slog.New(slog.NewTextHandler(&lines, nil)))
	return &lines
}

func wantAnswers(t *testing.T, out, logged *strings.Builder, want ...string) {
	t.Helper()
	if got := out.String(); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("it printed\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if n := strings.Count(logged.String(), "storage fails, values are loaded instead"); n != 1 {
		t.Errorf("the problem is in the log %d times, want once:\n%s", n, logged)
	}
}

func TestWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := logged(t), new(strings.Builder)
		if err := runAt(t.Context(), out, "", 6); err != nil {
			t.Fatal(err)
		}
		wantAnswers(t, out, log,
			"no -store is given: memory:// stands for it, and is closed halfway as if its server were stopped",
			"user 42, loaded 1 times (miss)",
			"user 42, loaded 1 times (hit)",
			"user 42, loaded 1 times (hit)",
			"# the store is closed",
			"user 42, loaded 2 times (miss)",
			"user 42, loaded 3 times (miss)",
			"user 42, loaded 4 times (miss)")
	})
}

func TestServerIsStoppedAndStarted(t *testing.T) {
	server := servers.Redis(t)
	store, err := storage.Open(t.Context(), "redis://"+server.Addr()+"?prefix=example:")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	log, out := logged(t), new(strings.Builder)
	err = run(t.Context(), out, store, 7, func(call int) error {
		switch call {
		case 2:
			server.Kill()
		case 4:
			server.Restart()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantAnswers(t, out, log,
		"user 42, loaded 1 times (miss)",
		"user 42, loaded 1 times (hit)",
		"user 42, loaded 2 times (miss)", // the server is away
		"user 42, loaded 3 times (miss)",
		"user 42, loaded 4 times (miss)", // it is back, and empty
		"user 42, loaded 4 times (hit)",
		"user 42, loaded 4 times (hit)")
}

func TestNobodyThere(t *testing.T) {
	server := servers.Redis(t)
	server.Kill()
	logged(t)
	var out strings.Builder
	if err := runAt(t.Context(), &out, "redis://"+server.Addr(), 1); err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(out.String(), "\n")
	if !strings.Contains(first, "nobody listens there") || second != "user 42, loaded 1 times (miss)\n" {
		t.Errorf("it printed\n%s", &out)
	}
}
