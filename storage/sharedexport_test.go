package storage

import "github.com/perennial-go/perennial/serde"

// Shared is what NewShared returns.
type Shared[K comparable, V any] = shared[K, V]

// NewPart is NewShared.
func NewPart[K comparable, V any](s *Store, sd serde.SerDe[V], schema int) (*Shared[K, V], error) {
	return newShared[K](s, sd, schema)
}
