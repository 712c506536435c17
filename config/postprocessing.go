package config

import "github.com/perennial-go/perennial/internal/module"

// Postprocessing changes a value on its way to a caller, on every return: after
// a load, for each of those who waited, and on every hit. What is stored stays
// as the source returned it. Apply is called concurrently, on the caller's
// goroutine, with no lock held. A panic in it fails the call.
type Postprocessing[V any] interface {
	Apply(value V) V
}

// NoPostprocessing gives every caller the stored value itself.
func NoPostprocessing[V any]() Postprocessing[V] { return noPostprocessing[V]{} }

type noPostprocessing[V any] struct{}

func (noPostprocessing[V]) Apply(value V) V            { return value }
func (noPostprocessing[V]) String() string             { return "NoPostprocessing" }
func (noPostprocessing[V]) ChangesNothing(module.Only) {}

// CopyBy gives every caller a copy made by the function.
func CopyBy[V any](f func(value V) V) Postprocessing[V] {
	if f == nil {
		return nil
	}
	return copyBy[V](f)
}

type copyBy[V any] func(V) V

func (f copyBy[V]) Apply(value V) V { return f(value) }
func (copyBy[V]) String() string    { return "CopyBy" }
