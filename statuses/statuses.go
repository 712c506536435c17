package statuses

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// Claim says what a caller wants of a key's update.
type Claim uint8

// The claims.
const (
	Need  Claim = iota // the current update, or to lead one
	Force              // an update whose load has not begun yet
	Put                // to supersede what runs and publish a value at once
	Idle               // as Need, for a caller who will not wait if another leads
)

// Role says what Begin made of the caller.
type Role uint8

// The roles.
const (
	Join   Role = iota // another leads: wait for it
	Lead               // the caller must run the update, from Start to End
	Queued             // as Lead, but Start waits for another load to end first
)

// UpdateStatuses is the registry of the updates of one function. Its methods
// are called concurrently. An implementation over a network must answer Begin
// from what it knows locally: stale hits pass through it.
type UpdateStatuses[K comparable, V any] interface {
	// Begin looks up the key's current update and claims it, in one atomic
	// step. The results are
	//
	//	Join    an update that may be waited on
	//	Lead    a new update, which the caller must Start and End
	//	Queued  likewise, whose Start waits
	//
	// Need joins the current update or leads a new one; so does Idle. Force joins only an
	// update whose load has not begun, else it queues the next one, of which
	// there is at most one. Put supersedes the current update and leads.
	Begin(key K, claim Claim) (Update[V], Role)

	// Hold makes the caller the only one who changes what is stored for the
	// key: it waits until no update publishes and nobody else holds it. With
	// fence, it first supersedes the current update, and until Free an update
	// that starts is told not to look at the store. An error is the
	// context's: then nothing is held, but what was fenced stays so.
	Hold(ctx context.Context, key K, fence bool) error
	// Free ends what Hold began; fence is as it was there.
	Free(key K, fence bool)

	// Keys yields every key for which anything runs now. What begins while
	// it yields may be left out.
	Keys() iter.Seq[K]
}

// Update is one attempt to bring a key up to date. The leader calls Start,
// Publish if there is something to store, and End; anyone may call the others.
type Update[V any] interface {
	// Start waits until the load may begin: a queued update for its
	// predecessor's end, and one whose key has two loads running already (both
	// superseded, which Go cannot stop) for one of them to end. look tells
	// whether to look at the store again before loading. The errors are
	// ErrRunaway, the context's, and what the update has been ended with.
	Start(ctx context.Context, maxRunaway int) (look bool, err error)
	// Publish makes the leader the only one who changes what is stored for
	// the key, until End. ErrFenced, and ErrSuperseded for a late update, say
	// that the value must not be stored. The other error is the context's.
	Publish(ctx context.Context) error
	// Yield is for the leader of a Put whose Publish was refused. It makes the
	// leader the only one who changes what is stored for the key, until End, and
	// tells whether an update that began later has published since: else what is
	// stored is older than the Put, and is to be dropped before End. The errors
	// are the context's, and ErrEnded.
	Yield(ctx context.Context) (overtaken bool, err error)
	// End ends the update and wakes everybody who waits. It must be called,
	// also by the leader of an update that is late. That of a Put whose
	// Publish or Yield was granted also wakes those who waited when it began, for
	// what it has superseded and for an update that only needs a value and has not
	// begun to load. They get its outcome, Fenced. The registry decides end.Fenced.
	End(end Outcome[V])
	// Late ends the update for those who wait and lets the key be loaded
	// again, while its load still runs. It does nothing to an update that
	// publishes or has ended.
	Late(err error) (was bool)
	// Shed ends the update if no caller has joined it with Force, nor, unless joined is
	// Need, with Need, in one step: then nobody will. Else it does nothing. It is for the
	// leader of an update that is not to be loaded now. End may follow.
	Shed(end Outcome[V], joined Claim) (was bool)
	// Expect notes that a caller waits until then, at most; the zero time is for ever. It is
	// called before Wait by those who care.
	Expect(until time.Time)
	// Expected is until when callers wait at most, long ago once they have been woken. known
	// is false as long as one of them has not said so.
	Expected() (until time.Time, known bool)
	// Wait waits for the end. The error is the context's alone.
	Wait(ctx context.Context) (Outcome[V], error)
}

// Outcome is how an update ended.
type Outcome[V any] struct {
	Entry  *entry.Entry[V] // nil if Err is not
	Err    error
	Fenced bool // an invalidation or Set superseded it: Entry is not stored
	Fill   Fill // what the storage has made of Entry, if processes share it
	// Outdated is not zero if a tag of Entry was invalidated since its load began.
	Outdated Outdated
}

// Outdated says that a tag of an update's value was invalidated since the load began,
// one more than the number of invalidations of tags before that. Nobody knew then what
// tags the value would have, so calls went on joining the update, and who joined after
// any invalidation of a tag looks again:
//
//	load              begins .................................. ends, with tag T
//	InvalidateTag(T)         returns
//	a call                           joins
//	InvalidateTag(T)                         returns
//
// The last instant of T alone does not tell that the call came after the first.
type Outdated uint64

// Newer tells whether an invalidation that a call which joined has not seen may be newer
// than the value: began is the number of invalidations when the call began to wait.
func (u Outdated) Newer(began uint64) bool { return u != 0 && began >= uint64(u) }

// Fill says what a storage that processes share has made of an update's value: the
// storage need not hold it. Whoever led the update may have the value, for it is no
// older than the call. A call that joined may have begun after another process's
// invalidation, if that came between the claim and a fill that was refused, or after
// one that was accepted:
//
//	A  claims ─ loads ──────────────────────── fills: refused
//	A  claims ─ loads ─ fills: accepted ───────────────────── hears of it
//	B                     invalidates ─ returns
//	A's other call                            begins ─ joins
//
// so it looks once more, unless it began before a fill that was accepted. The zero
// value is that of a storage of this process alone.
type Fill struct {
	Shared  bool   // processes share the storage
	Refused bool   // the storage has refused the value
	Number  uint64 // of the fill that was accepted, in the order of the function's fills; 0 if there was none
}

// Newer tells whether an invalidation that a call which joined has not seen may be
// newer than the value: began is the number of fills when the call began to wait.
func (f Fill) Newer(began uint64) bool { return f.Shared && (f.Number == 0 || began >= f.Number) }

// Why an update may not start or publish.
var (
	// ErrFenced says that an invalidation or a Set came after the load began.
	ErrFenced = errors.New("statuses: an invalidation or a Set came after the load began: its value is not stored")
	// ErrSuperseded says that a late result came after something newer.
	ErrSuperseded = errors.New("statuses: something newer was stored or invalidated since this late load began: its value is not stored")
	// ErrRunaway says that too many superseded loads still run.
	ErrRunaway = errors.New("statuses: too many superseded loads still run: make the source obey its context, or raise the limit with config.MaxRunaway")
	// ErrLockTimeout says that an update took longer than the registry allows.
	ErrLockTimeout = errors.New("statuses: the update took longer than the registry's lock timeout: make the lock timeout longer than the method timeout")
	// ErrEnded says that an update was ended by another than its leader: from Start,
	// that a Put has answered those who wait, so that there is nothing to load.
	ErrEnded = errors.New("statuses: the update has ended")
)
