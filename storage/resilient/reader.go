package resilient

import (
	"context"
	"strings"

	"github.com/perennial-go/perennial/storage"
)

// reader answers reads, from the backend or from what is known here.
type reader struct {
	*core
	rewriter *rewriter
}

// get returns the key's record.
func (r *reader) get(ctx context.Context, key string) (storage.Record, error) {
	for {
		if err := r.enter(ctx); err != nil {
			return storage.Record{}, err
		}
		if r.local(key) || r.mirror.current(key) {
			found, err := r.known(key)
			r.unlock()
			return cloned(found), err
		}
		generation := r.breaker.generation
		r.unlock()
		found, verdict, err := r.lookFree(ctx, generation, key)
		if !verdict.away() { // else the breaker is open now, or was meanwhile
			return found.Record, err
		}
	}
}

// lookFree is look for a key of which nothing has waited. If something waits by now,
// the record will be another one: then the verdict is Away.
func (r *reader) lookFree(ctx context.Context, generation uint64, key string) (storage.Versioned, Verdict, error) {
	found, verdict, err := r.look(ctx, generation, key)
	r.lock()
	defer r.unlock()
	if err == nil && r.outbox.get(key) != nil {
		return storage.Versioned{}, Away, errDataLost
	}
	return found, verdict, err
}

// look asks the backend for the record and keeps a copy.
func (r *reader) look(ctx context.Context, generation uint64, key string) (found storage.Versioned, _ Verdict, _ error) {
	r.lock()
	began := r.mirror.mark(key)
	r.unlock()
	verdict, err := r.link.call(ctx, generation, key, func(ctx context.Context) (err error) {
		found, err = r.backend.look(ctx, key)
		return err
	})
	if err != nil {
		return storage.Versioned{}, verdict, err
	}
	r.lock()
	defer r.unlock()
	if r.rewriter.suspects(key, found.Version) {
		r.unlock()
		same, err := r.rewriter.checkData(ctx, key)
		r.lock()
		if !same {
			return storage.Versioned{}, Away, err
		}
	}
	r.remember(found, key, began)
	return found, 0, nil
}

// keys yields the keys that begin with the prefix.
func (r *reader) keys(ctx context.Context, prefix string, yield func(string, error) bool) {
	lister, ok := r.backend.store.(storage.ListerBytes)
	if !ok {
		yield("", ErrUnsupported)
		return
	}
	if err := r.enter(ctx); err != nil {
		yield("", err)
		return
	}
	away, generation := r.breaker.away(), r.breaker.generation
	r.unlock()
	if !away {
		verdict, more, err := r.list(ctx, generation, lister, prefix, yield)
		switch {
		case !more:
			return
		case verdict.away():
			away = true
		case err != nil:
			yield("", err)
			return
		}
	}
	for _, key := range r.keysHere(prefix, away) {
		if !yield(key, nil) {
			return
		}
	}
}

// list yields the keys that the backend lists, as long as it is not silent for longer
// than the timeout, and reports whether the caller wants more.
func (r *reader) list(ctx context.Context, generation uint64, lister storage.ListerBytes, prefix string, yield func(string, error) bool) (_ Verdict, more bool, err error) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := r.clock.AfterFunc(r.link.allowed(), cancel)
	defer silence.Stop()
	more = true
	err = safelyYielding(func(back func(call func())) error {
		for key, fault := range lister.Keys(limited, prefix) {
			silence.Stop()
			if fault != nil {
				return fault
			}
			if !r.deletes(key) {
				if back(func() { more = yield(key, nil) }); !more {
					return nil
				}
			}
			silence.Reset(r.link.allowed())
		}
		return nil
	})
	if !more {
		return 0, false, nil
	}
	if err == nil {
		r.link.answered()
		return 0, true, nil
	}
	if ctx.Err() != nil {
		return 0, true, err
	}
	return r.fail(generation, prefix, err), true, err
}

// deletes reports whether a change waits that deletes the key.
func (r *reader) deletes(key string) bool {
	r.lock()
	defer r.unlock()
	p := r.outbox.get(key)
	return p != nil && !p.result.record(r.clock.Now()).Found
}

// keysHere returns the keys that are to be stored, and with copies those of the copies.
func (r *reader) keysHere(prefix string, copies bool) (keys []string) {
	r.lock()
	defer r.unlock()
	now := r.clock.Now()
	for key := range r.outbox.byKey {
		if strings.HasPrefix(key, prefix) && r.outbox.get(key).result.record(now).Found {
			keys = append(keys, key)
		}
	}
	if !copies {
		return keys
	}
	for key, e := range r.mirror.copies.byKey {
		if strings.HasPrefix(key, prefix) && r.outbox.get(key) == nil && e.Value.(*recordCopy).record(now).Found {
			keys = append(keys, key)
		}
	}
	return keys
}
