package observe

import (
	"context"
	"time"
)

// Kind says what happened.
type Kind uint8

// The kinds of events. Each names the fields of Event that it sets besides
// Kind, Func and Time; Key is set where a single key is meant.
const (
	LoadStarted    Kind = iota + 1 // a run of the source began: Cause, Count of keys
	LoadEnded                      // it returned: Cause, Duration, Err, Count of keys
	Failing                        // loads fail, and callers get the error or what StaleIfError keeps: Cause, Err, Count; with First alone
	Recovered                      // loads succeed again, and none has failed for a minute: Cause
	Stored                         // an entry was written to the storage
	Fenced                         // a result was dropped: an invalidation or Set came after its load began
	Late                           // the method timeout passed and callers were released: Duration, Err
	Superseded                     // a late result was dropped: something newer was there
	Runaway                        // a call failed because superseded loads fill their limit: Err
	Shed                           // background refreshes are not started, their limit is reached: Count; with First alone
	Delayed                        // a background refresh failed and the next waits: Duration, Err
	Evicted                        // the eviction strategy named an entry and it was released
	Dropped                        // an expired entry was released
	StoreFault                     // the storage failed, read as a miss or cost no caller its value: Err
	StoreOK                        // the storage answers, and has not failed for a minute
	ConfigChanged                  // a new configuration came into force: Changes
	ConfigRejected                 // a new configuration can't be used, the old one stays in force: Err
	Panicked                       // user code panicked or called runtime.Goexit: Err with the stack
	ClockBackwards                 // the clock that was handed in went back; time stands still until it catches up: Duration
	RefreshFailing                 // refreshes fail and stale values are served: Cause, Err, Count; with First alone
	Unasked                        // a source of many keys returned values of others, which are dropped: Err
	TooHeavy                       // a value weighs more than the whole capacity and is not kept: Err
	Unstorable                     // a key or a value can't be written, so it was loaded and not stored: Err
	FieldsLost                     // values have fields that the store's format leaves out, for they are not exported: Err names them
	Rescued                        // a call was given a value that has expired: Duration is its age, Err why its load failed, nil where it takes too long
	Overloaded                     // loads are refused by the function's guard: Cause, Err, Count; with First alone
	SourceDown                     // a guard finds that nothing of its source succeeds, and has it asked no more but by probes; Func is the guard's name
	SourceBack                     // a probe has succeeded: the source works again; Func is the guard's name
	StoreDown                      // nothing of a store succeeds: it is asked no more but by probes; Err is the last error
	StoreBack                      // a probe has succeeded: the store is asked again

	// Kinds is one more than the last kind there is.
	Kinds
)

var kindNames = [...]string{
	LoadStarted: "load started", LoadEnded: "load ended", Failing: "failing", Recovered: "recovered", Stored: "stored", Fenced: "fenced",
	Late: "late", Superseded: "superseded", Runaway: "runaway", Shed: "shed", Delayed: "delayed",
	Evicted: "evicted", Dropped: "dropped", StoreFault: "store fault", StoreOK: "store ok",
	ConfigChanged: "configuration changed", ConfigRejected: "configuration rejected",
	Panicked: "panicked", ClockBackwards: "clock backwards", RefreshFailing: "refresh failing", TooHeavy: "too heavy", Unasked: "unasked",
	Unstorable: "unstorable", FieldsLost: "fields lost", Rescued: "rescued",
	Overloaded: "overloaded", SourceDown: "source down", SourceBack: "source back", StoreDown: "store down", StoreBack: "store back",
}

// String is the kind in lower-case words.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown event"
}

// Cause says why a load runs.
type Cause uint8

// The causes of a load.
const (
	Miss    Cause = iota + 1 // nothing servable was stored, a caller waits
	Refresh                  // a stale entry was served, nobody waits
	Forced                   // a caller asked for a new value and waits for it
	Direct                   // a caller asked past the cache: Direct, or a function that is bypassed
	Warm                     // Warm loads it, before anybody asks

	// Causes is one more than the last cause there is.
	Causes
)

var causeNames = [...]string{Miss: "miss", Refresh: "refresh", Forced: "forced", Direct: "direct", Warm: "warm"}

// String is the cause in lower case.
func (c Cause) String() string {
	if int(c) < len(causeNames) && causeNames[c] != "" {
		return causeNames[c]
	}
	return "unknown cause"
}

// Event is one thing that happened. New fields and kinds may be added.
type Event struct {
	Kind     Kind
	First    bool          // a problem started, or goes on a minute after it was last reported
	Func     string        // the function's name
	Key      string        // quoted, cut to 64 bytes; a hash where keys are hidden
	Cause    Cause         // why the load runs
	Count    int           // how many keys; with First, how often the problem was met since it was last reported
	Duration time.Duration // how long it took, or is delayed
	Err      error         // what went wrong
	Changes  string        // the settings that changed, old to new, such as "MethodTimeout 2m0s to 1s"
	Time     time.Time     // on the function's clock
}

// Observer is told of every event it wants. Observe is called by the goroutine
// to which the event happened, concurrently, with no lock held. A panic in it is
// logged and otherwise ignored. It may change, and call, the function that it
// observes, for the key that it is told of too: the events of a load are told once
// it has ended for those who wait, but for LoadStarted, where a call for the same key
// would wait for the observer itself. The context is that of the load, with the
// values of the call that started it.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// Func is a function as an Observer.
type Func func(ctx context.Context, e Event)

// Observe calls f.
func (f Func) Observe(ctx context.Context, e Event) { f(ctx, e) }

// Chooser is an Observer that wants certain kinds only: what it does not want
// is not even put together. It is asked once, when the function is made.
type Chooser interface {
	Observer
	Wants(k Kind) bool
}

// Discard observes nothing.
var Discard Observer = discard{}

type discard struct{}

func (discard) Observe(context.Context, Event) {}
func (discard) Wants(Kind) bool                { return false }

// All passes every event on to each of the observers in order. It is a Wrapper if one
// of them is.
func All(observers ...Observer) Observer {
	for _, o := range observers {
		if _, ok := o.(Wrapper); ok {
			return wrappingAll{observers}
		}
	}
	return all(observers)
}

type all []Observer

func (a all) Observe(ctx context.Context, e Event) {
	for _, o := range a {
		if Wants(o, e.Kind) {
			o.Observe(ctx, e)
		}
	}
}

func (a all) Wants(k Kind) bool {
	for _, o := range a {
		if Wants(o, k) {
			return true
		}
	}
	return false
}

// Wants tells whether o wants events of kind k: every observer does that is
// not a Chooser.
func Wants(o Observer, k Kind) bool {
	if c, ok := o.(Chooser); ok {
		return c.Wants(k)
	}
	return o != nil
}
