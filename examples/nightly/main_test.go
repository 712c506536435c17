package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNightly(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, servers.Redis(t).Addr()); err != nil {
		t.Fatal(err)
	}
	const want = `2026-03-01: 3 machines, 1 report
2026-03-02: 3 machines, 1 report
2026-03-03: machine 1 was halted, and machine 2 has made the report
its lock was lost: true
what it writes when it goes on is refused: somebody has written under a later lock
`
	if out.String() != want {
		t.Errorf("it printed\n%s\nwant\n%s", &out, want)
	}
}

func TestNobodyThere(t *testing.T) {
	server := servers.Redis(t)
	server.Kill()
	var out strings.Builder
	if err := run(t.Context(), &out, server.Addr()); err == nil || !strings.Contains(err.Error(), "nobody listens there") {
		t.Errorf("it says %v", err)
	}
}

func TestReportsLookAtTokens(t *testing.T) {
	r := &reports{byDate: map[string]string{}}
	for _, c := range []struct {
		token int64
		want  error
	}{{5, nil}, {5, nil}, {7, nil}, {6, errFenced}, {8, nil}} {
		if err := r.put("a", "b", c.token); err != c.want {
			t.Errorf("token %d: %v, want %v", c.token, err, c.want)
		}
	}
}
