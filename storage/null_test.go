package storage_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// A context that is done is an error even where nothing is done.
func TestNullLooksAtContexts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var n storage.Null
	errs := map[string]error{
		"Set": n.Set(ctx, "a", nil, time.Hour), "SetMany": n.SetMany(ctx, []storage.Item{{Key: "a"}}), "Clear": n.Clear(ctx, ""),
	}
	_, errs["Get"] = n.Get(ctx, "a")
	_, errs["Delete"] = n.Delete(ctx, "a")
	_, errs["GetMany"] = n.GetMany(ctx, []string{"a"})
	_, errs["DeleteMany"] = n.DeleteMany(ctx, []string{"a"})
	_, errs["Touch"] = n.Touch(ctx, time.Hour, "a")
	for _, err := range n.Keys(ctx, "") {
		errs["Keys"] = err
	}
	added, err := n.Add(ctx, "a", nil, time.Hour)
	errs["Add"] = err
	if added {
		t.Error("Add says that it has added")
	}
	if len(errs) != 10 {
		t.Errorf("there are %d errors: %v", len(errs), errs)
	}
	for call, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s returns %v", call, err)
		}
	}
}

func TestOpenNull(t *testing.T) {
	s, err := storage.Open(t.Context(), "null://?prefix=a:")
	if err != nil {
		t.Fatal(err)
	}
	if got := (storage.Null{}).String(); got != "Null" {
		t.Errorf("it calls itself %q", got)
	}
	if _, ok := s.Bytes().(storage.Null); !ok || s.String() != "null://" {
		t.Errorf("it opens %T, which is shown as %s", s.Bytes(), s)
	}
}

func TestOpenNullRefusesWhatItDoesNotKnow(t *testing.T) {
	if _, err := storage.Open(t.Context(), "null://?capacity=1"); err == nil || !strings.Contains(err.Error(), "capacity") {
		t.Errorf("it says %v", err)
	}
}
