package resilient

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/perennial-go/perennial/storage"
)

// watch is a Watch that runs. It is used with the Store's lock held.
type watch struct {
	prefix string
	sees   bool // every change, since its last Missed
	stop   context.CancelFunc
}

// Watch tells of changes of records whose keys begin with the prefix, until the
// context ends, and keeps the copies of these current, so that to Get one
// costs no round trip: what others change is seen as soon as the store has told
// of it. Where the store goes away the Watch waits and begins again when it is
// back, with a Missed. What waits in the queue is not told of, but its delivery is.
//
// The function is called by one goroutine at a time, that of the Watch. Where it is
// slow, copies are current all the same; of more than 1,000 changes that it has not
// been told of yet it is told by a Missed. A copy that is current is looked at again
// after RecheckAfter: what is deleted where nobody is told, by hand (DEL) or by an
// eviction, is served for that long. Errors: that of the context,
// those of the store that are no sign that it is away, ErrUnsupported where it
// can't watch, ErrClosed.
func (s *Store) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	watcher, ok := s.store.(storage.WatcherBytes)
	if !ok {
		return ErrUnsupported
	}
	s.want(prefix)
	defer s.wantNoMore(prefix)
	for late := 0; ; late++ {
		err := s.watch(ctx, watcher, prefix, func(c storage.Changed) {
			late = 0
			changed(c)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.mu.Lock()
		closed, back := s.closed, s.breaker.back
		s.unlock()
		if closed {
			return ErrClosed
		}
		if back != nil {
			select {
			case <-back:
				continue
			case <-s.life.Done():
				return ErrClosed
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, ErrAway) { // and back meanwhile
			continue
		}
		if verdict := s.judge(err); verdict == Unwilling || verdict == Unfit {
			return err
		}
		if err := s.await(ctx, s.backoff(late)); err != nil {
			return err
		}
	}
}

// watch watches until the store or the context ends it, or the breaker opens: it
// may have lost its connection then, and not know it. What it is told is put down at
// once, on a goroutine of its own, and told from here.
func (s *Store) watch(ctx context.Context, watcher storage.WatcherBytes, prefix string, changed func(storage.Changed)) error {
	watching, stop := context.WithCancel(ctx)
	w := &watch{prefix: prefix, stop: stop}
	s.mu.Lock()
	if s.away() || s.closed {
		s.unlock()
		stop()
		return ErrAway
	}
	s.watches[w] = struct{}{}
	s.unlock()
	told, ended := newFeed(), make(chan struct{})
	defer func() {
		s.mu.Lock()
		delete(s.watches, w)
		s.unlock()
		stop()
		<-ended
	}()
	var why error
	go func() {
		defer close(ended)
		why = ask(watching, func(ctx context.Context) error {
			return watcher.Watch(ctx, prefix, func(c storage.Changed) {
				if c.Missed {
					_, _ = s.askState(ctx, prefix) // what is wrong it has told
				}
				tells := s.saw(w, c)
				if c.Missed {
					s.confirm(ctx)
				}
				if tells {
					told.add(c)
				}
			})
		})
	}()
	for watches := true; watches; {
		select {
		case <-told.wake:
		case <-ended:
			watches = false
		}
		for _, c := range told.take() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			changed(c)
		}
	}
	if why == nil {
		why = errors.New("resilient: the watch has ended")
	}
	return why
}

// saw puts down what a watch is told.
func (s *Store) saw(w *watch, c storage.Changed) bool {
	s.mu.Lock()
	defer s.unlock()
	if _, runs := s.watches[w]; !runs {
		return false
	}
	if c.Lost { // no copy is trusted until it sees again, and that it does it tells itself
		s.trust++
		w.sees = false
		return false
	}
	if c.Missed {
		s.trust++
		w.sees = true
		return true
	}
	s.heard[s.hash(c.Key)]++
	f := s.flights[c.Key]
	if f != nil {
		f.hears(c.Version)
	}
	switch one := s.copies.get(c.Key); {
	case one == nil:
	case len(one.is) == 1 && one.is[0] == c.Version: // and what comes after it is told later
		one.trusted, one.state, one.since = s.trust, s.state, s.clock.Now()
		one.own = one.own || one.made // what was told before came before
	default:
		one.trusted = 0
		s.undone(one, c.Version)
		if !slices.Contains(one.replaced, c.Version) && (f == nil || c.Version != f.makes) {
			one.own = false
		}
	}
	return true
}

// watched tells whether every change of the key is seen.
func (s *Store) watched(key string) bool {
	for w := range s.watches {
		if w.sees && strings.HasPrefix(key, w.prefix) {
			return true
		}
	}
	return false
}

// want puts down that what begins with the prefix is to be watched, also while it
// can't be.
func (s *Store) want(prefix string) {
	s.mu.Lock()
	defer s.unlock()
	s.wanted[prefix]++
}

func (s *Store) wantNoMore(prefix string) {
	s.mu.Lock()
	defer s.unlock()
	if s.wanted[prefix]--; s.wanted[prefix] == 0 {
		delete(s.wanted, prefix)
	}
}

// wants tells whether the key is to be watched.
func (s *Store) wants(key string) bool {
	for prefix := range s.wanted {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// distrust is called where changes may go unseen: the store has gone, or is back.
// What begins to watch then begins with a Missed.
func (s *Store) distrust() {
	for w := range s.watches {
		w.stop()
		delete(s.watches, w)
	}
}
