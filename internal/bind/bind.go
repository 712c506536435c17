// Package bind lets a part of a configuration serve one function only.
package bind

import (
	"fmt"
	"sync"
)

// Once is embedded in what can serve one function at a time. The zero value is
// bound to none.
type Once struct {
	mu    sync.Mutex
	owner string
	bound bool
}

// Bind makes owner the one function that is served. The error names both where
// there is another.
func (o *Once) Bind(owner string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bound {
		return fmt.Errorf("it serves function %q already and can't serve %q as well: give each function one of its own", o.owner, owner)
	}
	o.owner, o.bound = owner, true
	return nil
}

// Unbind lets another function be served.
func (o *Once) Unbind() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owner, o.bound = "", false
}

// Binder is what embeds a Once.
type Binder interface {
	Bind(owner string) error
	Unbind()
}
