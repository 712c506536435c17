package memoize_test

import (
	"context"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

type priced interface{ Price() int }

type basket struct{ Items []priced }

// A type of values that a store can't give back is refused when the function is made;
// fields that a store leaves out are told of once, in the log.
func TestValuesThatDoNotComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		memory := storage.NewMemory()
		store, err := storage.Share(memory)
		if err != nil {
			t.Fatal(err)
		}
		_, err = memoize.New(func(context.Context, string) (*basket, error) { return &basket{}, nil }, config.Name("baskets"), config.Store(store))
		if err == nil || !strings.Contains(err.Error(), "Items is an interface with methods") {
			t.Errorf("New says %v", err)
		}
		var log strings.Builder
		f := memoize.Must(memoize.New(func(context.Context, string) (*user, error) { return &user{of: new(program)}, nil },
			config.Name("users"), config.Store(store), config.Logger(textLog(&log))))
		for _, key := range []string{"a", "b"} {
			if _, err := f.Call(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
		settled(t, f)
		wantLines(t, &log, 1, "without some of their fields", "user.of")
		if err := memory.Close(); err != nil {
			t.Error(err)
		}
	})
}
