package memoize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/keytext"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/internal/problems"
	"github.com/perennial-go/perennial/internal/timeline"
	"github.com/perennial-go/perennial/internal/wiring"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// observing passes a function's events on.
type observing[K comparable] struct {
	name      string
	observers []observe.Observer
	wrappers  []observe.Wrapper // those of them that add to the context of the source
	logger    *slog.Logger      // nil is slog.Default() of the moment
	silent    bool              // there is no log
	wanted    uint32            // a bit a kind
	time      *timeline.Timeline
	hide      bool
	seed      maphash.Seed // of hashes of keys that are hidden
	counters  *counters
	problems  problems.Problems
}

func (o *observing[K]) init(w wiring.Wiring) {
	o.seed, o.silent, o.logger = maphash.MakeSeed(), w.Silent, w.Logger
	if !w.Silent {
		o.observers = append(o.observers, observe.Slog(w.Logger))
	}
	o.observers = append(o.observers, w.Observers...)
	for _, observer := range o.observers {
		if wr, ok := observer.(observe.Wrapper); ok {
			o.wrappers = append(o.wrappers, wr)
		}
	}
	for k := observe.Kind(1); k < 32; k++ {
		if observe.Wants(observe.All(o.observers...), k) {
			o.wanted |= 1 << k
		}
	}
}

// wants tells whether an event is worth putting together.
func (o *observing[K]) wants(k observe.Kind) bool { return o.wanted&(1<<k) != 0 }

// emit tells the observer of an event that concerns a key.
func (o *observing[K]) emit(ctx context.Context, ev observe.Event, key K) {
	if !o.wants(ev.Kind) {
		return
	}
	ev.Key = o.show(key)
	o.tell(ctx, ev)
}

// note is emit for events of which there is no more to say. It is what the path
// of a load calls: the event is put together only where it is wanted.
func (o *observing[K]) note(ctx context.Context, kind observe.Kind, key K) {
	if o.wants(kind) {
		o.noteWanted(ctx, kind, key)
	}
}

//go:noinline
func (o *observing[K]) noteWanted(ctx context.Context, kind observe.Kind, key K) {
	o.emit(ctx, observe.Event{Kind: kind}, key)
}

// tell tells the observer of an event. A panic of the observer's goes to the
// log, for there is nobody else to tell.
func (o *observing[K]) tell(ctx context.Context, ev observe.Event) {
	if !o.wants(ev.Kind) {
		return
	}
	ev.Func, ev.Time = o.name, o.time.Now().Time()
	if p := postponed.In(ctx); p != nil && o.postpone(p, ctx, ev) {
		return
	}
	o.observe(ctx, ev)
}

// postpone stands apart, for there the event escapes.
//
//go:noinline
func (o *observing[K]) postpone(p *postponed.Events, ctx context.Context, ev observe.Event) bool {
	return p.Add(func() { o.observe(ctx, ev) })
}

// observe tells each observer. A panic of one keeps it from no other.
func (o *observing[K]) observe(ctx context.Context, ev observe.Event) {
	for _, observer := range o.observers {
		if observe.Wants(observer, ev.Kind) {
			o.observeBy(ctx, observer, ev)
		}
	}
}

func (o *observing[K]) observeBy(ctx context.Context, observer observe.Observer, ev observe.Event) {
	defer o.catch(ev)
	observer.Observe(ctx, ev)
}

// catch is deferred around an observer: its panic goes to the log, for there is nobody
// else to tell.
func (o *observing[K]) catch(ev observe.Event) {
	r := recover()
	if r == nil {
		return
	}
	o.counters.panics.Add(1)
	if o.silent {
		return
	}
	logger := cmp.Or(o.logger, slog.Default())
	logger.Error("panic in an observer", "func", o.name, "event", ev.Kind.String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

// problem tells of an event that is a problem. Observers get each, First where
// the log is to have it.
func (o *observing[K]) problem(ctx context.Context, ev observe.Event) {
	ev.Count = o.problems.Meet(ev.Kind, o.time.Now())
	ev.First = ev.Count > 0
	o.tell(ctx, ev)
}

// problemOver tells of the end of a problem, if there was one.
func (o *observing[K]) problemOver(ctx context.Context, bad, good observe.Kind) {
	if o.problems.Over(bad, o.time.Now) {
		o.tell(ctx, observe.Event{Kind: good})
	}
}

// failing tells that loads fail, once a minute.
func (o *observing[K]) failing(ctx context.Context, cause observe.Cause, err error, key func() string) {
	kind := observe.Failing
	if cause == observe.Refresh {
		kind = observe.RefreshFailing
	}
	if n := o.problems.Meet(kind, o.time.Now()); n > 0 {
		o.tell(ctx, observe.Event{Kind: kind, First: true, Count: n, Cause: cause, Err: err, Key: key()})
	}
}

// sourceWorks is called when a load has succeeded in its time.
func (o *observing[K]) sourceWorks(ctx context.Context, cause observe.Cause) {
	if !o.problems.Any() {
		return
	}
	failing, refreshing := o.problems.Over(observe.Failing, o.time.Now), o.problems.Over(observe.RefreshFailing, o.time.Now)
	if failing || refreshing {
		o.tell(ctx, observe.Event{Kind: observe.Recovered, Cause: cause})
	}
}

// storeFault tells of a fault of the storage. That a key or a value can't be stored
// is none, and says nothing of others.
func (o *observing[K]) storeFault(ctx context.Context, key K, err error) {
	if errors.Is(err, storage.ErrUnstorable) {
		o.problem(ctx, observe.Event{Kind: observe.Unstorable, Err: err, Key: o.show(key)})
		return
	}
	o.storageFault(ctx, o.show(key), err)
}

// storageFault is storeFault of what concerns no key, or the one that is shown.
func (o *observing[K]) storageFault(ctx context.Context, shown string, err error) {
	o.counters.storeFaults.Add(1)
	o.problem(ctx, observe.Event{Kind: observe.StoreFault, Err: brief(err), Key: shown})
}

// storeFaults tells of the faults of one operation for several keys: of each that
// can't be stored, and once of the storage.
func (o *observing[K]) storeFaults(ctx context.Context, keys []K, err error) {
	told := false
	for i, key := range keys {
		fault := o.faultOf(err, i)
		own := errors.Is(fault, storage.ErrUnstorable)
		if fault == nil || !own && told {
			continue
		}
		told = told || !own
		o.storeFault(ctx, key, fault)
	}
}

// shed counts a refresh that was not started, which may happen on every hit.
func (o *observing[K]) shed(ctx context.Context, now entry.Instant) {
	o.counters.shed.Add(1)
	if n := o.problems.Meet(observe.Shed, now); n > 0 {
		o.tell(ctx, observe.Event{Kind: observe.Shed, First: true, Count: n})
	}
}

// unasked tells of values of keys that a source was not asked for.
func (o *observing[K]) unasked(ctx context.Context, values int) {
	if values <= 0 {
		return
	}
	o.counters.unasked.Add(uint64(values))
	err := fmt.Errorf("memoize: the source of %s returned %d values of keys that it was not asked for, which are dropped: return the keys as they were given", o.name, values)
	o.problem(ctx, observe.Event{Kind: observe.Unasked, Err: err})
}

// tooHeavy tells of a value that can't be kept.
func (o *observing[K]) tooHeavy(ctx context.Context, key K, weight, capacity int) {
	shown := o.show(key)
	err := fmt.Errorf("memoize: the value of key %s weighs %d and the whole capacity is %d, so it is not kept: raise the capacity, or store less", shown, weight, capacity)
	o.problem(ctx, observe.Event{Kind: observe.TooHeavy, Err: err, Key: shown})
}

func (o *observing[K]) runaway(ctx context.Context, key K, err error) {
	o.counters.runaways.Add(1)
	o.problem(ctx, observe.Event{Kind: observe.Runaway, Err: err, Key: o.show(key)})
}

// panicked reports a panic of user code and returns it.
func (o *observing[K]) panicked(ctx context.Context, err error) error {
	o.counters.panics.Add(1)
	o.problem(ctx, observe.Event{Kind: observe.Panicked, Err: err})
	return err
}

// show is a key as people see it: quoted and cut, or a hash of it.
func (o *observing[K]) show(key K) string {
	if o.hide {
		return fmt.Sprintf("#%016x", maphash.Comparable(o.seed, key))
	}
	return quoted(key)
}

// quoted is a value on one line, cut to what fits.
func quoted[T any](v T) string {
	const longest = 64
	switch v := any(v).(type) {
	case string:
		return fmt.Sprintf("%q", cut(v, longest))
	case int, int64, int32, uint, uint64, uint32, bool:
		return fmt.Sprint(v)
	}
	if text, err := keytext.Of(v); err == nil {
		return cut(text, longest)
	}
	return cut(fmt.Sprintf("%#v", v), longest)
}

// cut is s, or as much of it as fits with a mark at the end.
func cut(s string, longest int) string {
	const mark = "..."
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest-len(mark)], "") + mark // of a letter no part
}

// refused is the end of a call that returns an error.
func (o *observing[K]) refused(err error) error {
	o.counters.end(failed)
	return err
}

// leaves is the end of a call whose own context has ended.
func (o *observing[K]) leaves(err error) error {
	o.counters.end(left)
	return err
}

// unanswered is the end of a call that the storage can't answer, by the caller's
// own context or because calls are to fail then.
func (o *observing[K]) unanswered(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return o.refused(err)
	}
	return o.leaves(err)
}
