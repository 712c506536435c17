package storage

import (
	"errors"
	"fmt"
)

// ItemError is the fault of one of those that a call for many was given. A bulk
// whose error is made of nothing else, joined, has done the others.
type ItemError struct {
	Item int // its place among those that were given
	Err  error
}

// Error names the place.
func (e *ItemError) Error() string { return fmt.Sprintf("item %d: %v", e.Item, e.Err) }

// Unwrap returns Err.
func (e *ItemError) Unwrap() error { return e.Err }

// FaultOf is what an error of a call for many says of one of them: nil where it
// says only of others that they failed.
func FaultOf(err error, item int) error {
	if some := (*ItemError)(nil); !errors.As(err, &some) { // it says of all what it says as a whole
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

// itemsAt is the error of a call for some of those that were given, which stand
// at these places.
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
