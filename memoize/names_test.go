package memoize_test

import (
	"context"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

type repository struct{ of string }

func (r *repository) load(context.Context, string) (string, error) { return r.of, nil }

func (r repository) byValue(context.Context, string) (string, error) { return r.of, nil }

func generic[T any](context.Context, string) (string, error) { return "", nil }

func named1(context.Context, string) (string, error) { return "", nil }

// Over a store a function needs a name that no other has: methods that are bound to
// different receivers have one name, and so have the instances of a generic function.
func TestFunctionsOverAStoreHaveNamesOfTheirOwn(t *testing.T) {
	var r interface {
		load(context.Context, string) (string, error)
	} = &repository{"a"}
	for name, c := range map[string]struct {
		source func(context.Context, string) (string, error)
		own    bool
	}{
		"a method of a pointer":    {(&repository{"a"}).load, false},
		"a method of a value":      {repository{"a"}.byValue, false},
		"a method of an interface": {r.load, false},
		"an instance":              {generic[int], false},
		"a closure":                {func(context.Context, string) (string, error) { return "", nil }, false},
		"adapted":                  {memoize.Pure(func(string) string { return "" }), false},
		"a function":               {named1, true},
	} {
		t.Run(name, func(t *testing.T) {
			memory := storage.NewMemory()
			defer memory.Close()
			s, err := storage.Share(memory)
			noError(t, err)
			_, err = memoize.New(c.source, config.Store(s))
			if (err == nil) != c.own || err != nil && !strings.Contains(err.Error(), "config.Name") {
				t.Errorf("got %v, want a name of its own: %v", err, c.own)
			}
			if _, err := memoize.New(c.source, config.Store(s), config.Name("users")); err != nil {
				t.Error(err)
			}
			if _, err := memoize.New(c.source); err != nil { // in memory none is needed
				t.Error(err)
			}
		})
	}
}
