package resilient

import (
	"context"
	"errors"

	"github.com/perennial-go/perennial/storage"
)

// Watch calls changed with each change of a record whose key begins with the prefix,
// until the context ends. While it runs, it keeps the copies of these records current,
// so that Get needs no round trip, and sees what others change as soon as the store
// tells of it. If the store goes away, Watch waits and starts again when it is back,
// with a Missed. Changes in the queue are not told of; their delivery is.
//
// Changed is called by one goroutine at a time, that of Watch. If it is slow, copies are
// current all the same, and more than 1,000 changes that wait for it are replaced by a
// Missed. A current copy is looked at again after RecheckAfter: a record that is deleted
// without a message, by hand (DEL) or by an eviction, is served for that long.
//
// Errors: that of the context, those of the store that are no sign that it is away,
// ErrUnsupported if it can't watch, ErrClosed.
func (s *Store) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	watcher, ok := s.backend.store.(storage.WatcherBytes)
	if !ok {
		return ErrUnsupported
	}
	s.lock()
	s.mirror.watches.wanted[prefix]++
	s.unlock()
	defer func() {
		s.lock()
		defer s.unlock()
		s.mirror.watches.unwant(prefix)
	}()
	for failed := 0; ; failed++ {
		err := s.watch(ctx, watcher, prefix, func(c storage.Changed) {
			failed = 0
			changed(c)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.lock()
		closed, back := s.outbox.closed, s.breaker.back
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
		if err := s.sleep(ctx, s.backoff(failed)); err != nil {
			return err
		}
	}
}

// watch watches until the store or the context ends it, or the breaker opens: the
// connection may be lost then without a sign. It notes what it is told at once, on a
// goroutine of its own, and calls changed from this one.
func (s *Store) watch(ctx context.Context, watcher storage.WatcherBytes, prefix string, changed func(storage.Changed)) error {
	watching, stop := context.WithCancel(ctx)
	w := &watch{prefix: prefix, stop: stop}
	s.lock()
	if s.breaker.away() || s.outbox.closed {
		s.unlock()
		stop()
		return ErrAway
	}
	s.mirror.watches.running[w] = struct{}{}
	s.unlock()
	told, ended := newFeed(), make(chan struct{})
	defer func() {
		s.lock()
		delete(s.mirror.watches.running, w)
		s.unlock()
		stop()
		<-ended
	}()
	var why error
	go func() {
		defer close(ended)
		why = safely(watching, func(ctx context.Context) error {
			return watcher.Watch(ctx, prefix, func(c storage.Changed) {
				if s.notified(ctx, w, c) {
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

// notified notes what a watch is told, and reports whether the caller of Watch is told.
func (s *Store) notified(ctx context.Context, w *watch, c storage.Changed) bool {
	if c.Missed {
		_, _ = s.rewriter.checkData(ctx, w.prefix) // its errors are events
	}
	s.lock()
	tell, undone := s.mirror.notified(w, c)
	if undone != nil {
		s.rewriter.undone(undone, c.Version)
	}
	s.unlock()
	if c.Missed {
		s.rewriter.confirm(ctx)
	}
	return tell
}
