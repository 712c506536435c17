package storage

import "errors"

// ErrUnstorable marks the error of a key that has no text, or of a value that can't be
// written: see NewShared. The store was not asked, and keeps what it holds. The other items
// of a batch are not concerned.
var ErrUnstorable = errors.New("storage: this can't be stored")

// unstorable returns the error, with the same text, so that it matches ErrUnstorable.
func unstorable(err error) error { return unstorableError{err} }

type unstorableError struct{ error }

func (u unstorableError) Unwrap() error      { return u.error }
func (unstorableError) Is(target error) bool { return target == ErrUnstorable }
