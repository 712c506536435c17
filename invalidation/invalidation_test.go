package invalidation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/invalidation"
)

// target records what it is asked.
type target struct {
	name  string
	asked []string
	err   error
}

func (t *target) Name() string { return t.name }
func (t *target) Invalidate(_ context.Context, arg int) error {
	t.asked = append(t.asked, fmt.Sprint(arg))
	return t.err
}
func (t *target) InvalidateAll(context.Context) error {
	t.asked = append(t.asked, "all")
	return t.err
}

func (t *target) InvalidateTag(_ context.Context, tag string) error {
	t.asked = append(t.asked, "tag "+tag)
	return t.err
}

func TestSupportPassesOn(t *testing.T) {
	var s invalidation.Support[int]
	stub := errors.New("stub")
	f := &target{name: "users"}
	if err := s.Bind(module.Only{}, f); err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{nil, stub} {
		f.err = want
		if err := s.Invalidate(t.Context(), 42); err != want {
			t.Errorf("Invalidate: %v, want %v", err, want)
		}
		if err := s.InvalidateTag(t.Context(), "red"); err != want {
			t.Errorf("InvalidateTag: %v, want %v", err, want)
		}
		if err := s.InvalidateAll(t.Context()); err != want {
			t.Errorf("InvalidateAll: %v, want %v", err, want)
		}
	}
	if got := strings.Join(f.asked, " "); got != "42 tag red all 42 tag red all" {
		t.Errorf("the function was asked %q", got)
	}
}

// A Support serves one function, until that is closed.
func TestSupportServesOneFunction(t *testing.T) {
	var s invalidation.Support[int]
	if err := s.Bind(module.Only{}, &target{name: "users"}); err != nil {
		t.Fatal(err)
	}
	err := s.Bind(module.Only{}, &target{name: "orders"})
	if err == nil || !strings.Contains(err.Error(), `"users"`) || !strings.Contains(err.Error(), `"orders"`) {
		t.Fatalf("got %v, want an error that names both functions", err)
	}
	s.Unbind(module.Only{})
	for _, err := range []error{s.Invalidate(t.Context(), 1), s.InvalidateTag(t.Context(), "red"), s.InvalidateAll(t.Context())} {
		if !errors.Is(err, invalidation.ErrNotBound) {
			t.Errorf("after Unbind: %v, want ErrNotBound", err)
		}
	}
	if err := s.Bind(module.Only{}, &target{name: "orders"}); err != nil {
		t.Errorf("after Unbind: %v", err)
	}
}

// Of many that bind at once one succeeds.
func TestSupportBindsOnce(t *testing.T) {
	var s invalidation.Support[int]
	var wg sync.WaitGroup
	bound := make(chan string, 10)
	for i := range 10 {
		wg.Go(func() {
			f := &target{name: fmt.Sprint(i)}
			if s.Bind(module.Only{}, f) == nil {
				bound <- f.name
			}
		})
	}
	wg.Wait()
	if len(bound) != 1 {
		t.Fatalf("%d functions are bound, want 1", len(bound))
	}
}
