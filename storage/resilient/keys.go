package resilient

import (
	"context"
	"iter"
	"strings"

	"github.com/perennial-go/perennial/storage"
)

// Keys yields the keys that begin with the prefix, in no particular order, with
// those that are to be stored, and without those that are to be deleted. While
// the store is away they are those of the copies. A key may come twice. Errors:
// those of the store, ErrUnsupported where it does not know its keys.
func (s *Store) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		lister, ok := s.store.(storage.ListerBytes)
		if !ok {
			yield("", ErrUnsupported)
			return
		}
		s.mu.Lock()
		if err := s.ready(); err != nil {
			s.unlock()
			yield("", err)
			return
		}
		away, era := s.away(), s.breaker.era
		s.unlock()
		if !away {
			verdict, err, goes := s.listed(ctx, era, lister.Keys, prefix, yield)
			switch {
			case !goes:
				return
			case verdict == Away || verdict == Unknown:
				away = true
			case err != nil:
				yield("", err)
				return
			}
		}
		for _, key := range s.keysHere(prefix, away) {
			if !yield(key, nil) {
				return
			}
		}
	}
}

// listed yields what the store lists, for as long as it is not silent for longer
// than the timeout, and tells whether more is wanted.
func (s *Store) listed(ctx context.Context, era uint64, keys func(context.Context, string) iter.Seq2[string, error], prefix string, yield func(string, error) bool) (_ Verdict, err error, goes bool) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := s.clock.AfterFunc(s.allowed(), cancel)
	defer silence.Stop()
	goes = true
	err = askBack(func(back func(call func())) error {
		for key, fault := range keys(limited, prefix) {
			silence.Stop()
			if fault != nil {
				return fault
			}
			if s.stays(key) {
				if back(func() { goes = yield(key, nil) }); !goes {
					return nil
				}
			}
			silence.Reset(s.allowed())
		}
		return nil
	})
	if !goes {
		return 0, nil, false
	}
	if err == nil {
		s.answered()
		return 0, nil, true
	}
	if ctx.Err() != nil {
		return 0, err, true
	}
	verdict := s.judge(err)
	if verdict == Away || verdict == Unknown {
		s.trip(era, prefix, err)
	}
	return verdict, err, true
}

// stays tells whether nothing waits that deletes the key.
func (s *Store) stays(key string) bool {
	s.mu.Lock()
	defer s.unlock()
	p := s.queue.get(key)
	return p == nil || p.result.record(s.clock.Now()).Found
}

// keysHere is the keys that are to be stored, with those of copies where they are
// wanted.
func (s *Store) keysHere(prefix string, copies bool) (keys []string) {
	s.mu.Lock()
	defer s.unlock()
	now := s.clock.Now()
	for key := range s.queue.byKey {
		if strings.HasPrefix(key, prefix) && s.queue.get(key).result.record(now).Found {
			keys = append(keys, key)
		}
	}
	if !copies {
		return keys
	}
	for key, e := range s.copies.byKey {
		if strings.HasPrefix(key, prefix) && s.queue.get(key) == nil && e.Value.(*copied).record(now).Found {
			keys = append(keys, key)
		}
	}
	return keys
}
