package storage

import (
	"errors"
	"fmt"
)

// ItemError reports one failed item of a batch. If the error of a batch joins nothing but
// ItemErrors, all other items are done.
type ItemError struct {
	Item int // its index in the batch
	Err  error
}

// Error names the item.
func (e *ItemError) Error() string { return fmt.Sprintf("item %d: %v", e.Item, e.Err) }

// Unwrap returns Err.
func (e *ItemError) Unwrap() error { return e.Err }

// FaultOf returns the error of one item of a batch, out of the error of the whole. It is
// nil if only other items failed.
func FaultOf(err error, item int) error {
	if some := (*ItemError)(nil); !errors.As(err, &some) { // it concerns all items
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) == 1 {
			return joined.Unwrap()[0]
		}
		return err
	}
	switch e := err.(type) {
	case *ItemError:
		if e.Item != item {
			return nil
		}
		return e.Err
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if fault := FaultOf(part, item); fault != nil {
				return fault
			}
		}
		return nil
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil && FaultOf(inner, item) == nil {
			return nil
		}
	}
	return err
}

// itemsAt returns the errors of a batch as those of a larger one, in which its items have
// these places.
func itemsAt(err error, places []int) (errs []error) {
	if FaultOf(err, -1) != nil { // of all of them
		return []error{err}
	}
	for i, place := range places {
		if fault := FaultOf(err, i); fault != nil {
			errs = append(errs, &ItemError{place, fault})
		}
	}
	return errs
}
