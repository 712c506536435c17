package storage

import "errors"

// ErrRefused marks an error that retrying won't mend, and that is no sign of a store that
// is away: a value that is too large, something foreign under the key, a wrong password.
// Nothing is changed.
var ErrRefused = errors.New("storage: the store refuses that")

// Refused returns the error, with the same text, so that it matches ErrRefused. Stores
// call it.
func Refused(err error) error {
	if err == nil || errors.Is(err, ErrRefused) {
		return err
	}
	return refused{err}
}

type refused struct{ error }

func (r refused) Unwrap() error      { return r.error }
func (refused) Is(target error) bool { return target == ErrRefused }
