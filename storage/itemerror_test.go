package storage_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/perennial-go/perennial/storage"
)

func TestFaultOf(t *testing.T) {
	stub, other := errors.New("stub"), errors.New("other")
	item := func(i int, err error) error { return &storage.ItemError{Item: i, Err: err} }
	twice := fmt.Errorf("%w: %w", other, errors.New("what to do about it"))
	wrapped := fmt.Errorf("wrapped: %w", stub)
	itemWrapped := fmt.Errorf("wrapped: %w", item(1, stub))
	for name, c := range map[string]struct {
		err  error
		item int
		want error
	}{
		"none":                      {nil, 1, nil},
		"that of all":               {stub, 1, stub},
		"its own":                   {item(1, stub), 1, stub},
		"another's":                 {item(2, stub), 1, nil},
		"its own of several":        {errors.Join(item(2, other), item(1, stub)), 1, stub},
		"none of several":           {errors.Join(item(2, other), item(3, stub)), 1, nil},
		"that of all among several": {errors.Join(item(2, other), stub), 1, stub},
		"that of all, wrapped":      {wrapped, 1, wrapped},
		"that of all, of two parts": {twice, 1, twice},
		"its own, of two parts":     {item(1, twice), 1, twice},
		"its own, wrapped":          {itemWrapped, 1, itemWrapped},
		"another's, wrapped":        {itemWrapped, 2, nil},
	} {
		if got := storage.FaultOf(c.err, c.item); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if err := item(3, stub); !errors.Is(err, stub) || err.Error() != "item 3: stub" {
		t.Errorf("the fault of an item: %v", err)
	}
}
