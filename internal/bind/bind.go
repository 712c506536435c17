// Package bind lets a part of a configuration serve one function only.
package bind

import (
	"fmt"
	"sync"
	"weak"
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
	Weak() Weak
}

// Weak stands for a part that it does not keep alive. Two are equal if they stand for
// the same one. It is what may be kept for as long as a function lives, to let its
// parts go after that: a part may hold values that lead back to the function.
type Weak interface{ Unbind() }

// Weak stands for what o is embedded in.
func (o *Once) Weak() Weak { return weakOnce{weak.Make(o)} }

type weakOnce struct{ part weak.Pointer[Once] }

// Unbind lets another function be served, if the part is still there.
func (w weakOnce) Unbind() {
	if part := w.part.Value(); part != nil {
		part.Unbind()
	}
}
