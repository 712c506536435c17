package synced

import (
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// What errors match, by errors.Is. Each names the value that it is of.
var (
	// ErrMissing says that there is no value of the name, no element at the
	// place, or no such key.
	ErrMissing = errors.New("nothing is there")
	// ErrForeign says that what is stored is not what it is read as: it was
	// written as another type, by another codec or by another program. It stays
	// as it is until somebody sets or deletes it.
	ErrForeign = errors.New("what is stored there is of another type, or another program's: use one type and codec for a name, and a prefix that nobody else has; Set and Delete replace it")
	// ErrValue says that the codec can't write the value. Nothing was changed.
	ErrValue = errors.New("the codec can't write the value")
	// ErrName says what names are: not empty, and not longer than MaxName.
	ErrName = errors.New("the name can't be used")
	// ErrQueued says that a change was accepted and is not committed: the server
	// is away, and the change waits for it. This process reads it already.
	ErrQueued = storage.ErrQueued
	// ErrNoChange is for functions that Update calls: it leaves what is there as
	// it is, and is no error of Update.
	ErrNoChange = resilient.ErrNoChange
)

// told is the error of what was done to a value, if any.
func told(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("synced: %s of %s: %w", verb, shown(name), err)
}
