package resilient

import (
	"log/slog"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
)

// Option says one thing about a Store or a Cache.
type Option struct {
	set func(s *Store)
}

// The defaults of the options.
const (
	DefaultTimeout   = 500 * time.Millisecond
	DefaultInDoubt   = storage.VersionsKept
	DefaultQueue     = 10_000   // changes
	DefaultQueueSize = 64 << 20 // bytes
	DefaultCopy      = 10_000   // records
	DefaultCopySize  = 64 << 20 // bytes
	FirstBackoff     = 2 * time.Second
	LongestBackoff   = 30 * time.Second
	RecheckAfter     = time.Minute // for so long what a Watch keeps current is not looked at
)

// Timeout is how long the store beneath may take to answer; then it counts as
// away. While it is, each probe that takes longer than that gives the next one twice
// as long, at most eight times the timeout; and where a probe that succeeds takes long,
// for it has to connect first, calls may take twice as long as that. So a slow link is
// told from a server that is away. The store has to obey its context, for nothing else
// ends a call. Default, and with zero or less: DefaultTimeout.
func Timeout(d time.Duration) Option {
	return Option{func(s *Store) { s.timeout = positive(d, DefaultTimeout) }}
}

// Queue is how many changes wait at most, and how many bytes they may take: keys,
// values, what the functions of Updates hold (see Holds), what the record is with them,
// and a little for each. What would be more is refused with ErrFull. While changes are
// sent, one value more is in memory.
// Defaults, and with zero or less: DefaultQueue, DefaultQueueSize.
func Queue(changes, bytes int) Option {
	return Option{func(s *Store) {
		s.queue.most, s.queue.mostBytes = positive(changes, DefaultQueue), positive(bytes, DefaultQueueSize)
	}}
}

// DropOldest makes room in a full queue by dropping, and reporting, what has
// waited for longest. One change that alone is larger than the queue is refused
// all the same.
func DropOldest() Option { return Option{func(s *Store) { s.dropOldest = true }} }

// Copy is how many records are kept of what was seen, and how many bytes they may
// take; those that were not used for longest are forgotten, which is told by a Forgot.
// What is forgotten is not there while the store is away, and is not written again. Defaults, and with
// zero or less: DefaultCopy, DefaultCopySize.
func Copy(records, bytes int) Option {
	return Option{func(s *Store) {
		s.copies.most, s.copies.mostBytes = positive(records, DefaultCopy), positive(bytes, DefaultCopySize)
	}}
}

// InDoubt is for how long the store beneath knows the changes of a record that has
// been deleted since: see ErrInDoubt. Default DefaultInDoubt, which every
// storage.VersionedBytes promises. With storage.Forever nothing is dropped for
// that reason, a deletion that nobody remembers may be undone, and an Update may be made
// twice where the store has lost its data.
func InDoubt(d time.Duration) Option { return Option{func(s *Store) { s.inDoubt = max(0, d) }} }

// WriteAgain says whether what this process was the last to set or delete is made
// once more where the store comes back without its data, and whether an Update that was
// in doubt then is dropped rather than made twice: see the package's documentation. All
// processes that change the same records should say the same. Default: false.
func WriteAgain(on bool) Option { return Option{func(s *Store) { s.again = on }} }

// FailAway makes a read return ErrAway where the store is away and there is no
// copy of the record. Default: it is not found.
func FailAway() Option { return Option{func(s *Store) { s.failAway = true }} }

// Judge tells what an error of the store beneath means. Default: JudgeError.
func Judge(judge func(err error) Verdict) Option {
	return Option{func(s *Store) { s.judge = judge }}
}

// Observe is called with every Event, in their order, one at a time, with no lock
// held, by a goroutine that uses the Store and waits for it. It may ask the Store
// for Stats and records, and leaves changes to another goroutine. A panic in it is
// swallowed; of what comes faster than it takes, 10,000 events of 64 MiB wait, and the
// oldest of more are not told of (Stats.Unobserved). Given several times, all are called,
// and the log is written all the same. Nil observes nothing.
func Observe(observe func(e Event)) Option {
	return Option{func(s *Store) {
		if observe != nil {
			s.observers = append(s.observers, observe)
		}
	}}
}

// Logger is where is written what somebody should know of: the store going and coming
// at level info, and what is dropped, refused or in conflict at level warn, each with
// its key, quoted and cut, and never with its value. Nil is silence. Default:
// slog.Default() of the moment.
func Logger(l *slog.Logger) Option {
	return Option{func(s *Store) {
		if s.log = nil; l != nil {
			s.log = logTo(l)
		}
	}}
}

// Clock is what the time is taken from, say a mock in a test. Default: the real
// clock.
func Clock(c clock.Clock) Option { return Option{func(s *Store) { s.clock = c }} }

func positive[N int | time.Duration](n, otherwise N) N {
	if n <= 0 {
		return otherwise
	}
	return n
}
