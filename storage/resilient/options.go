package resilient

import (
	"log/slog"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
)

// config is what the options of a Store say. It does not change after New.
type config struct {
	clock       clock.Clock
	timeout     time.Duration
	inDoubt     time.Duration
	queueLimits limits
	copyLimits  limits
	dropOldest  bool
	failAway    bool
	writeAgain  bool
	judge       func(err error) Verdict
	log         func(e Event) // nil logs nothing
	observers   []func(e Event)
	random      func(below time.Duration) time.Duration
}

// limits bounds how many things are kept, and their size in bytes.
type limits struct{ count, size int }

// Option is an option of a Store or a Cache.
type Option struct {
	set func(c *config)
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
	RecheckAfter     = time.Minute // how long a copy that a Watch keeps current is served
)

// Timeout is how long the underlying store may take to answer; after that it counts as
// away. While it is away, each probe that takes longer than that gives the next one twice
// as long, at most eight times the timeout. If a probe that succeeds takes long, because
// it has to connect first, calls may take twice as long as that. So a slow link is told
// from a server that is away. The store has to obey its context, for nothing else ends a
// call. Default, and for zero or less: DefaultTimeout.
func Timeout(d time.Duration) Option {
	return Option{func(c *config) { c.timeout = positive(d, DefaultTimeout) }}
}

// Queue is how many changes wait at most, and how many bytes they may take: keys,
// values, what the functions of Updates hold (see Holds), the records with the changes
// made, and a little for each. A change beyond that is refused with ErrFull. While
// changes are sent, one more value is in memory. Defaults, and for zero or less:
// DefaultQueue, DefaultQueueSize.
func Queue(changes, bytes int) Option {
	return Option{func(c *config) {
		c.queueLimits = limits{positive(changes, DefaultQueue), positive(bytes, DefaultQueueSize)}
	}}
}

// DropOldest makes room in a full queue: it drops, and reports, what has waited longest.
// A change that alone is larger than the queue is refused all the same.
func DropOldest() Option { return Option{func(c *config) { c.dropOldest = true }} }

// Copy is how many copies of records are kept, and how many bytes they may take. The
// least recently used ones are forgotten, which a Forgot reports. A record whose copy is
// forgotten can't be read while the store is away, and is not written again. Defaults,
// and for zero or less: DefaultCopy, DefaultCopySize.
func Copy(records, bytes int) Option {
	return Option{func(c *config) {
		c.copyLimits = limits{positive(records, DefaultCopy), positive(bytes, DefaultCopySize)}
	}}
}

// InDoubt is for how long the underlying store knows the changes of a record that was
// deleted since: see ErrInDoubt. Default: DefaultInDoubt, which every
// storage.VersionedBytes promises. With storage.Forever nothing is dropped for that
// reason; a deletion that the store has forgotten may be undone, and an Update may be
// made twice if the store has lost its data.
func InDoubt(d time.Duration) Option { return Option{func(c *config) { c.inDoubt = max(0, d) }} }

// WriteAgain says whether the records that this process was the last to change are
// written again when the store comes back without its data, and whether an Update that
// was in doubt then is dropped rather than made twice: see the package's documentation.
// All processes that change the same records should say the same. Default: false.
func WriteAgain(on bool) Option { return Option{func(c *config) { c.writeAgain = on }} }

// FailAway makes a read return ErrAway if the store is away and there is no copy of the
// record. Default: the record is not found.
func FailAway() Option { return Option{func(c *config) { c.failAway = true }} }

// Judge sets the function that says what an error of the underlying store means.
// Default: JudgeError.
func Judge(judge func(err error) Verdict) Option {
	return Option{func(c *config) { c.judge = judge }}
}

// Observe adds a function that is called with every Event, in their order, one at a
// time, with no lock held, by a goroutine that uses the Store and waits for it. The
// function may call Stats and read records; it leaves changes to another goroutine. Its
// panics are swallowed. If it is slow, 10,000 events of 64 MiB wait, and the oldest of
// more are dropped (Stats.Unobserved). If the option is given several times, all
// functions are called, and the log is written all the same. Nil observes nothing.
func Observe(observe func(e Event)) Option {
	return Option{func(c *config) {
		if observe != nil {
			c.observers = append(c.observers, observe)
		}
	}}
}

// Logger sets where problems are logged: the store going away and coming back at level
// info, and changes that are dropped, refused or in conflict at level warn, each with its
// key, quoted and cut, and never with its value. Nil logs nothing. Default:
// slog.Default() at that moment.
func Logger(l *slog.Logger) Option {
	return Option{func(c *config) {
		if c.log = nil; l != nil {
			c.log = logTo(l)
		}
	}}
}

// Clock sets the source of the time, such as a mock in a test. Default: the real clock.
func Clock(source clock.Clock) Option { return Option{func(c *config) { c.clock = source }} }

func positive[N int | time.Duration](n, otherwise N) N {
	if n <= 0 {
		return otherwise
	}
	return n
}
