package config

import (
	"fmt"

	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
)

// shared is what options have said of a store, for those that come later.
type shared[K comparable] struct {
	store  *storage.Store
	serde  any
	schema int
	before eviction.Strategy[K] // in force before the store, which bounds itself
}

// applyStorage puts the storage in place that the options name, and the strategy
// that goes with it.
func (s *Settings[A, K, V]) applyStorage(d *draft) {
	bounded := d.capacity != nil || d.eviction != nil
	if d.storage != nil {
		if d.store != nil {
			d.fault("Storage and Store exclude each other: give one of them")
		}
		fit(d, "Storage", d.storage, &s.Storage)
		if s.shared.before != nil && !bounded {
			s.Eviction = s.shared.before
		}
		s.shared = shared[K]{}
	}
	if d.store != nil {
		if s.shared.store == nil && !bounded {
			s.shared.before, s.Eviction = s.Eviction, eviction.None[K]()
		}
		s.shared.store = d.store
	}
	if d.store == nil && d.serde == nil && d.schema == nil {
		return
	}
	if s.shared.store == nil {
		d.fault("SerDe, Codec and Schema say how a Store is used: give config.Store too")
		return
	}
	if d.serde != nil {
		s.shared.serde = d.serde
	}
	assign(&s.shared.schema, d.schema)
	var sd serde.SerDe[V]
	fit(d, "SerDe", s.shared.serde, &sd)
	made, err := storage.NewShared[K](s.shared.store, sd, s.shared.schema)
	if err != nil {
		d.errs = append(d.errs, fmt.Errorf("config: Store: %w", err))
		return
	}
	s.Storage = made
}
