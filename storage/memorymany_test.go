package storage_test

import (
	"context"
	"errors"
	"testing"
)

// Keys ends with its context, before the first key and between two.
func TestMemoryKeysEndsWithItsContext(t *testing.T) {
	m := newMemory(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range m.Keys(ctx, "") {
		t.Error("it yields something, and there is nothing")
	}
	setKeys(t, m, "a", "b", "c")
	yielded := 0
	var last error
	for _, err := range m.Keys(ctx, "") {
		yielded++
		last = err
		cancel()
	}
	if yielded != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("it yields %d times, last %v; want a key and the error", yielded, last)
	}
	m = newMemory(t)
	yielded = 0
	for _, err := range m.Keys(ctx, "") {
		yielded++
		last = err
	}
	if yielded != 1 || !errors.Is(last, context.Canceled) {
		t.Errorf("of nothing it yields %d times, last %v; want the error", yielded, last)
	}
}
