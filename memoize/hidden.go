package memoize

import (
	"strings"

	"github.com/perennial-go/perennial/storage"
)

// hiddenError is an error of a storage where keys are hidden: storages name the
// key in what they wrap, so only what they wrap is shown.
type hiddenError struct{ err error }

func (h *hiddenError) Error() string { return strings.Join(leaves(h.err, nil), ": ") }

func (h *hiddenError) Unwrap() error { return h.err }

// leaves adds the texts of what an error wraps and what wraps nothing itself.
func leaves(err error, texts []string) []string {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			texts = leaves(inner, texts)
		}
		return texts
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return leaves(inner, texts)
		}
	}
	return append(texts, err.Error())
}

// faultOf is what an error of the storage says of one of several keys.
func (o *observing[K]) faultOf(err error, item int) error {
	if h, ok := err.(*hiddenError); ok {
		return o.hiding(storage.FaultOf(h.err, item))
	}
	return storage.FaultOf(err, item)
}

// hiding is an error of the storage as it may be shown.
func (o *observing[K]) hiding(err error) error {
	if err == nil || !o.hide {
		return err
	}
	return &hiddenError{err}
}
