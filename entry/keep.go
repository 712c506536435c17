package entry

import (
	"math"
	"time"
)

// Keep is for how long entries are held past their expires-after: for a while in which
// nobody is served them but where their load fails, as config.StaleIfError has it. One
// Keep serves any number of entries; nil keeps none. Its methods may be called
// concurrently.
type Keep struct {
	d             time.Duration
	rest, refresh rest // of its entries, while none is refreshed and while it is
}

// NewKeep makes a Keep, which is nil for a duration of zero or less.
func NewKeep(d time.Duration) *Keep {
	if d <= 0 {
		return nil
	}
	k := &Keep{d: d}
	k.rest, k.refresh = rest{math.MinInt64, k, nil}, rest{Never, k, nil}
	return k
}

// For is the duration, zero for nil.
func (k *Keep) For() time.Duration {
	if k == nil {
		return 0
	}
	return k.d
}

// resting is what an entry has that nobody refreshes.
func (k *Keep) resting() *rest {
	if k == nil {
		return nil
	}
	return &k.rest
}

// refreshing is what an entry has while a refresh runs.
func (k *Keep) refreshing() *rest {
	if k == nil {
		return &refreshing
	}
	return &k.refresh
}

var refreshing = rest{noRefreshBefore: Never}

// SetKeep says for how long the entry is held past its expires-after. Nobody else may
// have the entry yet. On a negative entry it does nothing.
func (m *Meta) SetKeep(k *Keep) {
	if m.Negative() == nil {
		m.rest.Store(k.resting())
	}
}

// Keep is what SetKeep has set, or nil.
func (m *Meta) Keep() *Keep {
	if r := m.rest.Load(); r != nil {
		return r.keep
	}
	return nil
}

// Shifted is a copy of the entry, all of whose instants are later by d.
func (e *Entry[V]) Shifted(d time.Duration) *Entry[V] {
	if n := e.Negative(); n != nil {
		later := *n
		later.UpdateAfter, later.ExpiresAfter = n.UpdateAfter.Add(d), n.ExpiresAfter.Add(d)
		return NewNegative[V](e.created.Add(d), later)
	}
	later := Restore(e.Value, e.created.Add(d), e.updateAfter.Add(d), e.expiresAfter.Add(d))
	later.SetKeep(e.Keep())
	return later
}
