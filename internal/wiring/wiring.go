// Package wiring has what options say of a function itself, and not of its
// configuration.
package wiring

import (
	"log/slog"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/observe"
)

// Wiring is what options say of a function. The zero value is the default.
type Wiring struct {
	Name          string
	Clock         clock.Clock
	ExactClock    bool
	Observers     []observe.Observer
	Logger        *slog.Logger // nil is slog.Default() of the moment, unless Silent
	Silent        bool
	HideKeys      bool
	PlainErrors   bool
	IdentityKeys  bool
	InvalidatedBy []any // each an *invalidation.Support[A]
	Statuses      any   // a statuses.UpdateStatuses[K, V]
}
