package resilient

import "github.com/perennial-go/perennial/storage"

// Outcome says what became of a change.
type Outcome uint8

// The outcomes. With an error the outcome is zero.
const (
	Committed Outcome = iota + 1 // the store has acknowledged it
	Queued                       // it waits for the store to come back
)

// String is the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Committed:
		return "committed"
	case Queued:
		return "queued"
	}
	return "nothing"
}

// err is the outcome for who knows errors only.
func (o Outcome) err(err error) error {
	if err == nil && o == Queued {
		return storage.ErrQueued
	}
	return err
}

func queuedIf(err error) Outcome {
	if err != nil {
		return 0
	}
	return Queued
}
