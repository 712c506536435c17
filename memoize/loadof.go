package memoize

import (
	"context"
	"errors"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
)

// Load is what a source may know of the load that it runs in: why it is asked, and what
// there is already. A source of HTTP responses asks whether the old one is still true:
//
//	l, _ := memoize.LoadOf[*Page](ctx)
//	if l.HasOld {
//		request.Header.Set("If-None-Match", l.Old.ETag)
//	}
//	...
//	if response.StatusCode == http.StatusNotModified {
//		return l.Unchanged()
//	}
type Load[V any] struct {
	// Cause is why the load runs. One that somebody waits for is observe.Miss or
	// observe.Forced, or observe.Direct past the cache, where there is no old value.
	Cause observe.Cause
	// Old is the value that is stored, stale, fresh (where the load is forced) or
	// expired and not dropped yet: with config.StaleIfError it is kept for that
	// long. It is not postprocessed, and others have it too: it must not be
	// changed. After an invalidation there is none.
	Old V
	// HasOld tells whether there is an Old.
	HasOld bool
	// OldAge is how long ago a source returned Old, or said that it is unchanged.
	OldAge time.Duration
}

// LoadOf is the load that the source is asked in, the innermost one if loads are
// nested. ok is false outside of a load, after it has ended or the method timeout has
// given it up, in a load of a source that takes many keys (see BatchOf), and where
// values are not of type V. It may be called from any goroutine. Over a storage that is
// neither in memory nor storage.Fenced it looks there.
func LoadOf[V any](ctx context.Context) (l Load[V], ok bool) {
	old := func(context.Context) (*entry.Entry[V], time.Duration) { return nil, 0 }
	innermost(ctx, func(r runs.Runner) {
		if asked, is := r.(interface {
			about() (observe.Cause, findOld[V])
		}); is {
			var find findOld[V]
			if l.Cause, find = asked.about(); find != nil {
				old, ok = find, true
			}
		}
	})
	if !ok {
		return Load[V]{}, false
	}
	if e, age := old(ctx); e != nil {
		l.Old, l.HasOld, l.OldAge = e.Value, true, age
	}
	return l, true
}

// Unchanged is what a source returns, as it stands, to say that Old is still true:
//
//	return l.Unchanged()
//
// The old value has a new life, as if the source had just returned it, and callers who
// wait get it. Where there is no old value it is ErrNoOld, and the load fails.
func (l Load[V]) Unchanged() (V, error) {
	if !l.HasOld {
		return l.Old, ErrNoOld
	}
	return l.Old, &unchanged[V]{l.Old}
}

// ErrNoOld says that a source has called something unchanged that is not there.
var ErrNoOld = errors.New("memoize: there is no old value that could be unchanged: ask for one without a condition where HasOld is false")

// unchanged is the error of a source that says that the old value is still true.
type unchanged[V any] struct{ old V }

func (u *unchanged[V]) Error() string {
	return "memoize: the old value is unchanged: a source returns what Unchanged returns as it stands"
}

// findOld finds the value that a load is to replace. It may take a trip to the storage.
type findOld[V any] func(ctx context.Context) (old *entry.Entry[V], age time.Duration)

// innermost calls f with what runs in the innermost run of a source, if that goes on.
// It does not end meanwhile.
func innermost(ctx context.Context, f func(runs.Runner)) {
	runs.Outer(ctx).Chain(func(r *runs.Run) bool {
		f(r.Runner)
		return false
	})
}

func (l *load[A, K, V]) about() (observe.Cause, findOld[V]) {
	if l.e.source.one == nil {
		return l.cause, nil
	}
	return l.cause, l.findOld(&l.jobs[0])
}

// findOld finds what is stored for the job's key since its update has begun, if it may
// be served at all. The load does not end meanwhile.
func (l *load[A, K, V]) findOld(j *job[A, K, V]) findOld[V] {
	e, p, key, claimed := l.e, l.plan, j.key, j.old
	return func(ctx context.Context) (*entry.Entry[V], time.Duration) {
		old := claimed
		if p.fenced == nil {
			old, _ = e.stores.look(ctx, p, key)
		}
		if old == nil {
			return nil, 0
		}
		now := e.time.Now()
		if old.Negative() != nil || old.KeepUntil() <= now {
			return nil, 0
		}
		return old, old.Age(now)
	}
}

func (l *directLoad[A, K, V]) about() (observe.Cause, findOld[V]) {
	if l.direct.source.one == nil {
		return observe.Direct, nil
	}
	return observe.Direct, func(context.Context) (*entry.Entry[V], time.Duration) { return nil, 0 }
}
