package boltstore

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"go.etcd.io/bbolt"
)

// reader is a transaction that reads, for one goroutine at a time.
type reader struct {
	tx      *bbolt.Tx
	records *bbolt.Cursor
	commits uint64 // as many as there had been
}

// maxIdle is how many readers are kept.
const maxIdle = 32

// readers keeps readers until the next commit, for to begin a transaction costs
// more than the read. During a commit none is kept: bbolt may have to map the
// file anew, and waits for all who read.
type readers struct {
	mu      sync.Mutex
	idle    []*reader // have seen all commits
	commits uint64    // counted where they begin and where they end
	closed  bool      // keeps none
}

// view runs f with the records as they are now.
func (s *Store) view(ctx context.Context, f func(records *bbolt.Cursor) error) (err error) {
	if err := s.ready(ctx); err != nil {
		return err
	}
	defer s.survive(debug.SetPanicOnFault(true), &err)
	r, err := s.readers.take(s.db)
	if err != nil {
		return err
	}
	err = f(r.records)
	return errors.Join(err, s.readers.putBack(r))
}

func (rs *readers) take(db *bbolt.DB) (*reader, error) {
	rs.mu.Lock()
	commits := rs.commits
	if last := len(rs.idle) - 1; last >= 0 {
		r := rs.idle[last]
		rs.idle = rs.idle[:last]
		rs.mu.Unlock()
		return r, nil
	}
	rs.mu.Unlock()
	tx, err := db.Begin(false)
	if err != nil {
		return nil, err
	}
	return &reader{tx, tx.Bucket(recordBucket).Cursor(), commits}, nil
}

// putBack lets another take the reader, or closes it if it is out of date.
func (rs *readers) putBack(r *reader) error {
	rs.mu.Lock()
	keep := !rs.closed && r.commits == rs.commits && len(rs.idle) < maxIdle
	if keep {
		rs.idle = append(rs.idle, r)
	}
	rs.mu.Unlock()
	if keep {
		return nil
	}
	return r.tx.Rollback()
}

// close ends the idle readers, and keeps no more until open is called.
func (rs *readers) close() error {
	rs.mu.Lock()
	idle := rs.idle
	rs.idle, rs.closed = nil, true
	rs.commits++
	rs.mu.Unlock()
	var errs []error
	for _, r := range idle {
		errs = append(errs, r.tx.Rollback())
	}
	return errors.Join(errs...)
}

// open has readers kept that begin from now on.
func (rs *readers) open() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.closed = false
	rs.commits++
}
