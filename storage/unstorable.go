package storage

import "errors"

// ErrUnstorable is what an error matches where a key has no text or a value can't be
// written: see NewShared. The store was not asked, and what it holds is as it was. Of
// several the others are not concerned.
var ErrUnstorable = errors.New("storage: this can't be stored")

// unstorable makes an error match ErrUnstorable, and leaves its text.
func unstorable(err error) error { return unstorableError{err} }

type unstorableError struct{ error }

func (u unstorableError) Unwrap() error      { return u.error }
func (unstorableError) Is(target error) bool { return target == ErrUnstorable }
