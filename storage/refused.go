package storage

import "errors"

// ErrRefused is what an error matches that is its caller's matter, or that of who
// set the store up, and no sign that the store is away: a value that is too large,
// something foreign under the key, a wrong password. Nothing is changed, and the
// same would be refused again.
var ErrRefused = errors.New("storage: the store refuses that")

// Refused makes an error match ErrRefused, and leaves its text. Stores call it.
func Refused(err error) error {
	if err == nil || errors.Is(err, ErrRefused) {
		return err
	}
	return refused{err}
}

type refused struct{ error }

func (r refused) Unwrap() error      { return r.error }
func (refused) Is(target error) bool { return target == ErrRefused }
