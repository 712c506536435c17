package bind

import "sync"

// Bindings counts the parts that serve a function. It may be kept after the
// function is gone, to let them go, and does not keep them alive.
type Bindings struct {
	mu    sync.Mutex
	parts map[Weak]int
}

// Take binds a part to the function, unless it is bound to it already, and
// counts it.
func (b *Bindings) Take(part Binder, owner string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parts == nil {
		b.parts = map[Weak]int{}
	}
	weak := part.Weak()
	if b.parts[weak] == 0 {
		if err := b.bind(part, owner); err != nil {
			return err
		}
	}
	b.parts[weak]++
	return nil
}

// bind tells a part that many share which of them asks, if it wants to know.
func (b *Bindings) bind(part Binder, owner string) error {
	if shared, ok := part.(interface {
		BindFor(owner string, by any) error
	}); ok {
		return shared.BindFor(owner, b)
	}
	return part.Bind(owner)
}

// Release counts parts off, and lets those go that are not in use any more.
func (b *Bindings) Release(parts []Binder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, part := range parts {
		weak := part.Weak()
		if b.parts[weak]--; b.parts[weak] == 0 {
			delete(b.parts, weak)
			part.Unbind()
		}
	}
}

// ReleaseAll lets every part go.
func (b *Bindings) ReleaseAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for part := range b.parts {
		part.Unbind()
	}
	b.parts = nil
}
