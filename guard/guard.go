package guard

import (
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/internal/module"
)

// Guard stands before a source: see the package's documentation. Its methods may be
// called concurrently.
type Guard struct{ gate gate }

// New makes a guard. The name, which must not be empty, stands in errors, events and
// metrics. Without options everything is on, and adapts to the source.
func New(name string, opts ...Option) (*Guard, error) {
	if name == "" {
		return nil, errors.New("guard: the name is empty: name the source, such as \"orders-db\"")
	}
	s := defaults()
	if err := s.apply(opts, false); err != nil {
		return nil, fmt.Errorf("guard: %s: %w", name, err)
	}
	g := new(Guard)
	g.gate.init(name, &s)
	return g, nil
}

// Apply changes a guard while it is used, in one step or not at all. Loads that have
// begun go on. Clock, Observe and Logger can't be changed.
func (g *Guard) Apply(opts ...Option) error {
	err := g.gate.change(func(s *settings) error { return s.apply(opts, true) })
	if err != nil {
		return fmt.Errorf("guard: %s is as it was: %w", g, err)
	}
	return nil
}

// Name is the guard's.
func (g *Guard) Name() string { return g.gate.name }

// String is the guard's name.
func (g *Guard) String() string { return g.gate.name }

// Gate is where memoized functions ask for their loads.
func (g *Guard) Gate(module.Only) *gate { return &g.gate }
