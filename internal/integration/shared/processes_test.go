package shared

import (
	"slices"
	"testing"

	"github.com/perennial-go/perennial/internal/servers"
)

func wants(t *testing.T, r report, loads int64, values ...string) {
	t.Helper()
	if !slices.Equal(r.Values, values) || r.Loads != loads {
		t.Errorf("%q after %d loads, want %q after %d", r.Values, r.Loads, values, loads)
	}
}

// TestTwoProcesses has two processes share a store, one after the other.
func TestTwoProcesses(t *testing.T) {
	server := servers.Redis(t)
	change := func(key, version string) { server.Command("SET", versionKey(key), version) }
	a, b := processes(t, of(server)), processes(t, of(server))
	for _, key := range []string{"x", "y", "z"} {
		change(key, "1")
	}

	wants(t, told(t, a, "call", "x", "y"), 2, "1", "1")
	change("x", "2")
	wants(t, told(t, b, "call", "x", "y", "z"), 1, "1", "1", "1") // z alone
	wants(t, told(t, a, "call", "z"), 2, "1")

	told(t, b, "invalidate", "x")
	wants(t, told(t, a, "peek", "x", "y"), 2, "", "1")
	wants(t, told(t, a, "call", "x"), 3, "2")
	wants(t, told(t, b, "call", "x"), 1, "2")

	tells(t, a, order{Do: "set", Keys: []string{"x"}, Value: "3"})
	wants(t, told(t, b, "call", "x"), 1, "3")
	wants(t, told(t, b, "touch", "x"), 1, "true")
	wants(t, told(t, a, "call", "x"), 3, "3")

	told(t, a, "empty")
	wants(t, told(t, b, "peek", "x", "y", "z"), 1, "", "", "")
	wants(t, told(t, b, "touch", "x"), 1, "false")
}

// TestTouchIsSeenByAnotherProcess gives a value that is stale in both processes
// its time again: the other one serves it without a refresh.
func TestTouchIsSeenByAnotherProcess(t *testing.T) {
	server := servers.Redis(t)
	server.Command("SET", versionKey("x"), "1")
	s := of(server)
	brief := s
	brief.Fresh = 1 // ns: what it loads is stale at once
	a, b := processes(t, s), processes(t, brief)
	wants(t, told(t, b, "call", "x"), 1, "1")
	left := func() string { return server.Command("HGET", server.Command("KEYS", prefix+"*"), "e") }
	before := left()
	wants(t, told(t, a, "touch", "x"), 0, "true")
	if after := left(); after <= before { // instants of as many digits
		t.Errorf("the record ends at %s, and ended at %s before it was touched", after, before)
	}
	server.Command("SET", versionKey("x"), "2")
	wants(t, told(t, b, "call", "x"), 1, "1") // fresh by the life that the other gave it
}

// TestSchemasSideBySide has the old and the new code of a deploy on one store.
func TestSchemasSideBySide(t *testing.T) {
	server := servers.Redis(t)
	server.Command("SET", versionKey("x"), "1")
	s := of(server)
	old := processes(t, s)
	s.Schema = 1
	now := processes(t, s)
	wants(t, told(t, old, "call", "x"), 1, "1")
	server.Command("SET", versionKey("x"), "2")
	wants(t, told(t, now, "call", "x"), 1, "2")
	wants(t, told(t, old, "call", "x"), 1, "1")
	told(t, old, "empty")
	wants(t, told(t, now, "peek", "x"), 1, "2")
	tells(t, now, order{Do: "set", Keys: []string{"x"}, Value: "3"})
	wants(t, told(t, old, "call", "x"), 2, "2")
	wants(t, told(t, now, "call", "x"), 1, "3")
}
