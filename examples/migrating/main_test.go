package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	want, err := os.ReadFile("migrating.txt")
	if err != nil {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		if err := run(t.Context(), &out); err != nil {
			t.Error(err)
		}
		if got := out.String(); got != string(want) {
			t.Errorf("it prints\n%s\nand not\n%s", got, want)
		}
	})
}

// What docs/migrating.md says of a first caller who leaves, and of a change during a load.
func TestWhatIsDifferent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		u, err := newUsers(db)
		if err != nil {
			t.Fatal(err)
		}
		first, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := u.user(first, "u1"); left <- err }()
		synctest.Wait()
		time.AfterFunc(10*time.Millisecond, leave)
		if name, err := u.user(t.Context(), "u1"); name != "Ann" || err != nil || db.asked != 1 {
			t.Errorf("the second caller got %q and error %v after %d loads", name, err, db.asked)
		}
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the first caller got error %v", err)
		}

		done := make(chan error, 1)
		go func() { _, err := u.user(t.Context(), "u2"); done <- err }()
		synctest.Wait()
		if err := u.rename(t.Context(), "u2", "Rob"); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if name, err := u.user(t.Context(), "u2"); name != "Rob" || err != nil {
			t.Errorf("after the change user returned %q and error %v", name, err)
		}
		if err := u.byID.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
