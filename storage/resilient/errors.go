package resilient

import (
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/storage"
)

// Errors of a Store. Those of the underlying store are passed on as they are.
var (
	// ErrNoChange is returned by the function of an Update to leave the record as it
	// is.
	ErrNoChange = errors.New("resilient: the record stays as it is")
	// ErrNoVersions is returned by Update over a store without versions.
	ErrNoVersions = errors.New("resilient: the store has no versions, so that nothing can be updated: use one that is a storage.VersionedBytes, as redisstore.NewValues")
	// ErrUnsupported says that the underlying store lacks an operation.
	ErrUnsupported = errors.New("resilient: the underlying store can't do that: use one that can")
	// ErrAway says that the store is away and that there is no copy. Only FailAway and
	// BulkCache.Clear return it.
	ErrAway = errors.New("resilient: the store is away: try again when it is back")
	// ErrFull says that the queue has no room. The change was not accepted.
	ErrFull = errors.New("resilient: the queue is full, the change is not accepted: try again when the store is back, or raise resilient.Queue")
	// ErrContended says that others changed the record before each attempt.
	ErrContended = errors.New("resilient: too many change the same record at once: try again")
	// ErrClosed says that the Store was closed.
	ErrClosed = errors.New("resilient: the store is closed: use it only before Close")
	// ErrLate says that nothing is written again, because the store lost its data longer
	// ago than storage.VersionsKept: it may have forgotten what others have deleted since.
	ErrLate = errors.New("resilient: the store lost its data too long ago for what this process had written to be written again: set what is missing")
	// ErrInDoubt says that a change was dropped because its answer was lost, and after
	// InDoubt, or a loss of data, the record is gone or another one. The change was never
	// made, or was made and then deleted, or is part of what others have made of it.
	ErrInDoubt = errors.New("resilient: the answer to the change was lost, and the store does not know any more whether it was made: look, and make it again if it is still wanted")
)

// errForgot says why copies are forgotten.
var errForgot = errors.New("resilient: copies are forgotten: these records can't be read while the store is away, and are not written again: raise resilient.Copy")

// LeftError says that changes still wait when Flush or Close has to end. It
// matches storage.ErrQueued.
type LeftError struct {
	Keys    []string // whose changes wait, the oldest first
	Changes int      // how many changes wait
	Err     error    // why: the error of the store, or of the context
}

// Error says how many changes and keys wait, but not which.
func (e *LeftError) Error() string {
	return fmt.Sprintf("resilient: %d changes of %d keys still wait for the store: %v: flush again when it is back", e.Changes, len(e.Keys), e.Err)
}

// Unwrap returns storage.ErrQueued and Err.
func (e *LeftError) Unwrap() []error { return []error{storage.ErrQueued, e.Err} }
