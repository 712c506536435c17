package resilient

import (
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/storage"
)

// Errors of a Store. Those of the store beneath are passed on as they are.
var (
	// ErrNoChange is what the function of an Update returns to leave the record
	// as it is.
	ErrNoChange = errors.New("resilient: the record stays as it is")
	// ErrNoVersions is what Update returns over a store without versions.
	ErrNoVersions = errors.New("resilient: the store has no versions, so that nothing can be updated: use one that is a storage.VersionedBytes, as redisstore.NewValues")
	// ErrUnsupported says that the store beneath lacks what was asked for.
	ErrUnsupported = errors.New("resilient: the store beneath can't do that: use one that can")
	// ErrAway says that the store is away and that there is no copy either.
	// Nothing but what says so returns it.
	ErrAway = errors.New("resilient: the store is away: try again when it is back")
	// ErrFull says that the queue has no room. The change was not accepted.
	ErrFull = errors.New("resilient: the queue is full, the change is not accepted: try again when the store is back, or raise resilient.Queue")
	// ErrContended says that others changed a record whenever it was tried to.
	ErrContended = errors.New("resilient: too many change the same record at once: try again")
	// ErrClosed says that the Store was closed.
	ErrClosed = errors.New("resilient: the store is closed: use it only before Close")
	// ErrLate is why nothing is written again to a store that lost its data longer ago
	// than storage.VersionsKept: what others have deleted since is forgotten there.
	ErrLate = errors.New("resilient: the store lost its data too long ago for what this process had written to be written again: set what is missing")
	// ErrInDoubt is why a change was dropped whose answer was lost, and whose record
	// is gone, or another one, after InDoubt, or after the store has lost its data: it
	// was never made, or made and then deleted, or is in what others have made of it.
	ErrInDoubt = errors.New("resilient: the answer to the change was lost, and the store does not know any more whether it was made: look, and make it again if it is still wanted")
)

// errForgot is why copies are forgotten.
var errForgot = errors.New("resilient: copies are forgotten, which are not there while the store is away and are not written again: raise resilient.Copy")

// LeftError says that changes still wait when Flush or Close has to end. It
// matches storage.ErrQueued.
type LeftError struct {
	Keys    []string // whose changes wait, the oldest first
	Changes int      // how many changes that are
	Err     error    // why: what the store says, or the context
}

// Error tells how many, and not which.
func (e *LeftError) Error() string {
	return fmt.Sprintf("resilient: %d changes of %d keys still wait for the store: %v: flush again when it is back", e.Changes, len(e.Keys), e.Err)
}

// Unwrap returns why.
func (e *LeftError) Unwrap() []error { return []error{storage.ErrQueued, e.Err} }
