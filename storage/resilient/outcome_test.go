package resilient_test

import (
	"errors"

	"github.com/perennial-go/perennial/storage"
)

// outcome says what became of a change that did not fail. With an error it is zero.
type outcome uint8

const (
	committed outcome = iota + 1
	queued            // the error was storage.ErrQueued
)

func (o outcome) String() string { return [...]string{"nothing", "committed", "queued"}[o] }

// outcomeOf splits what a Set returns into the outcome and the error that is a failure.
func outcomeOf(err error) (outcome, error) {
	switch {
	case err == nil:
		return committed, nil
	case errors.Is(err, storage.ErrQueued):
		return queued, nil
	}
	return 0, err
}

// deleted is outcomeOf for a Delete.
func deleted(_ bool, err error) (outcome, error) { return outcomeOf(err) }

// updated is outcomeOf for an Update.
func updated(r storage.Record, err error) (storage.Record, outcome, error) {
	o, err := outcomeOf(err)
	return r, o, err
}
