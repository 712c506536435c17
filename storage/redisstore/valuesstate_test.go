package redisstore_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// The state lasts as long as the data, and is no record.
func TestState(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t, servers.Durable...)
	v := redisstore.NewValues(newClient(t, s))
	state := func() (string, time.Duration) {
		t.Helper()
		id, age, err := v.State(t.Context())
		if err != nil || id == "" || age < 0 {
			t.Fatalf("%q, %v, %v", id, age, err)
		}
		return id, age
	}
	first, born := state()
	if err := v.Set(t.Context(), "key", []byte("value"), storage.Forever); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Restart()
	waitFor(t, func() bool { _, _, err := v.State(t.Context()); return err == nil })
	if id, age := state(); id != first || age <= born {
		t.Errorf("with its data it has the state %q of the age %v, had %q of %v", id, age, first, born)
	}
	var keys []string
	for key, err := range v.Keys(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if !slices.Equal(keys, []string{"key"}) {
		t.Errorf("the records are %q", keys)
	}
	if err := v.Clear(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if id, _ := state(); id != first {
		t.Error("to delete all records is another state")
	}
	s.Command("FLUSHALL")
	if id, age := state(); id == first || age > time.Minute {
		t.Errorf("without its data it has the state %q of the age %v", id, age)
	}
	s.Command("SET", "perennial:state", "something else")
	if _, _, err := v.State(t.Context()); !errors.Is(err, redisstore.ErrForeign) || s.Command("GET", "perennial:state") != "something else" {
		t.Errorf("over what is not ours: %v", err)
	}
}
