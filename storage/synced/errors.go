package synced

import (
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// Errors that callers tell apart with errors.Is. Each comes with the name of the value.
var (
	// ErrMissing says that there is no value of that name, no element at that index, or
	// no such key.
	ErrMissing = errors.New("nothing is there")
	// ErrForeign says that the stored value was written as another type, by another codec
	// or by another program. It stays until somebody sets or deletes it.
	ErrForeign = errors.New("what is stored there is of another type, or another program's: use one type and codec for a name, and a prefix that nobody else has; Set and Delete replace it")
	// ErrValue says that the codec can't encode the value. Nothing is changed.
	ErrValue = errors.New("the codec can't write the value")
	// ErrName says that a name is empty or longer than MaxName.
	ErrName = errors.New("the name can't be used")
	// ErrQueued says that a change was accepted and not committed: it waits until the
	// server is back. This process reads it already.
	ErrQueued = storage.ErrQueued
	// ErrNoChange is returned by a function that Update calls, to change nothing. Update
	// does not return it.
	ErrNoChange = resilient.ErrNoChange
)

// told is the error of what was done to a value, if any.
func told(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("synced: %s of %s: %w", verb, shown(name), err)
}
