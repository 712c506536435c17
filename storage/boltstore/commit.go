package boltstore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// errUnchanged rolls a transaction back that would write nothing new.
var errUnchanged = errors.New("unchanged")

// write is something that a caller wants done in a transaction.
type write struct {
	run   func(*table) error
	taken atomic.Bool // by who commits it, or by its caller, who leaves
	done  chan error
}

// update runs f in a transaction and returns what it returned once that is
// committed. Whoever comes while another transaction runs is queued, and one of
// those queued commits for all. An error of f fails them all: f checks what it
// is given beforehand.
func update[T any](ctx context.Context, s *Store, f func(*table) (T, error)) (T, error) {
	var got, zero T
	if err := s.ready(ctx); err != nil {
		return zero, err
	}
	w := &write{done: make(chan error, 1), run: func(t *table) (err error) {
		got, err = f(t)
		return err
	}}
	s.mu.Lock()
	s.queue = append(s.queue, w)
	s.mu.Unlock()
	var err error
	select {
	case s.turn <- struct{}{}:
		s.commitQueue()
		<-s.turn
		err = <-w.done
	case err = <-w.done:
	case <-ctx.Done():
		err = ctx.Err()
		if !w.taken.CompareAndSwap(false, true) {
			err = fmt.Errorf("%w: %w", ErrInDoubt, err)
		}
	}
	if err != nil {
		return zero, err
	}
	return got, nil
}

// commitQueue does all that is queued. The caller has the turn.
func (s *Store) commitQueue() {
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	var batch []*write
	for _, w := range queue {
		if w.taken.CompareAndSwap(false, true) {
			batch = append(batch, w)
		}
	}
	if len(batch) == 0 {
		return
	}
	err := s.commit(batch)
	for _, w := range batch {
		w.done <- err
	}
}

// commit does the writes in one transaction.
func (s *Store) commit(batch []*write) error {
	t, err := s.transact(batch)
	if t != nil {
		for _, drop := range t.again {
			drop()
		}
	}
	switch {
	case err == nil:
		s.used = t.used
		for key, m := range t.fills {
			s.claims.fill(key, m)
		}
	case errors.Is(err, errUnchanged):
		err = nil
	case s.broken.Load() == nil && !errors.Is(err, ErrClosed):
		err = fmt.Errorf("boltstore: write %s: nothing of it was stored: %w", s.path, err)
	}
	return err
}

// transact runs the writes, and what comes after every write.
func (s *Store) transact(batch []*write) (t *table, err error) {
	if broken := s.broken.Load(); broken != nil {
		return nil, broken
	}
	defer s.survive(debug.SetPanicOnFault(true), &err)
	if err := s.readers.close(); err != nil {
		return nil, err
	}
	defer s.readers.open()
	err = s.db.Update(func(tx *bbolt.Tx) error {
		t = s.table(tx)
		for _, w := range batch {
			if err := w.run(t); err != nil {
				return err
			}
		}
		if err := t.sweep(sweepSize * len(batch)); err != nil {
			return err
		}
		if err := t.evict(); err != nil {
			return err
		}
		if !t.changed {
			return errUnchanged
		}
		return nil
	})
	return t, err
}

// ready is asked before the file is.
func (s *Store) ready(ctx context.Context) error {
	if broken := s.broken.Load(); broken != nil {
		return broken
	}
	return ctx.Err()
}

// survive is deferred by who calls bbolt. It turns what that does about a damaged
// file, panics and faults on what it has mapped, into an error. The file is not
// touched again then, for bbolt may have kept its locks.
func (s *Store) survive(panicOnFault bool, err *error) {
	debug.SetPanicOnFault(panicOnFault)
	if p := recover(); p != nil {
		*err = s.breaks(p)
	} else if *err == bolterrors.ErrDatabaseNotOpen {
		*err = ErrClosed
	}
}
