package boltstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

func (s *Store) transactions() (id int) {
	_ = s.db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil })
	return id
}

// TestWritersShareATransaction has a hundred come while one commits.
func TestWritersShareATransaction(t *testing.T) { synctest.Test(t, writersShareATransaction) }

func writersShareATransaction(t *testing.T) {
	s := open(t, "", Options{})
	before := s.transactions()
	s.turn <- struct{}{} // somebody commits
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() { set(t, s, fmt.Sprint(i), fmt.Sprint(i), time.Hour) })
	}
	synctest.Wait()
	<-s.turn
	all.Wait()
	if n := s.transactions() - before; n != 1 {
		t.Errorf("%d transactions", n)
	}
	for i := range 100 {
		if rec := get(t, s, fmt.Sprint(i)); string(rec.Value) != fmt.Sprint(i) {
			t.Errorf("%d holds %q", i, rec.Value)
		}
	}
}

// TestReaderOfACommit begins to read while a transaction is under way and ends
// when it is committed: who reads next sees what was written.
func TestReaderOfACommit(t *testing.T) {
	s := open(t, "", Options{})
	set(t, s, "a", "old", time.Hour)
	var r *reader
	_, err := update(t.Context(), s, func(tb *table) (_ struct{}, err error) {
		if r, err = s.readers.take(s.db); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, tb.put(inFile("a"), draft([]byte("new")), never)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.readers.putBack(r); err != nil {
		t.Fatal(err)
	}
	if rec := get(t, s, "a"); string(rec.Value) != "new" {
		t.Errorf("a holds %q", rec.Value)
	}
}

// TestNothingToWrite has no transaction where there is nothing new.
func TestNothingToWrite(t *testing.T) {
	s := open(t, "", Options{})
	set(t, s, "a", "1", time.Hour)
	before := s.transactions()
	if existed, err := s.Delete(t.Context(), "b"); existed || err != nil {
		t.Errorf("Delete says %v, %v", existed, err)
	}
	if added, err := s.Add(t.Context(), "a", nil, time.Hour); added || err != nil {
		t.Errorf("Add says %v, %v", added, err)
	}
	if n := s.transactions() - before; n != 0 {
		t.Errorf("%d transactions", n)
	}
}

// TestLeavingAWriter has callers leave: one whose write has not begun takes it
// back, one whose write is under way is told that it may be done.
func TestLeavingAWriter(t *testing.T) { synctest.Test(t, leavingAWriter) }

func leavingAWriter(t *testing.T) {
	s := open(t, "", Options{})
	s.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- s.Set(ctx, "back", []byte("1"), time.Hour) }()
	synctest.Wait()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("it returns %v", err)
	}
	<-s.turn
	set(t, s, "after", "1", time.Hour)
	if get(t, s, "back").Found {
		t.Error("what was taken back is there")
	}

	under, proceed := make(chan struct{}), make(chan struct{})
	first := make(chan error)
	go func() {
		_, err := update(t.Context(), s, func(*table) (struct{}, error) {
			close(under)
			<-proceed
			return struct{}{}, nil
		})
		first <- err
	}()
	<-under
	ctx, cancel = context.WithCancel(t.Context())
	go func() { left <- s.Set(ctx, "later", []byte("1"), time.Hour) }()
	synctest.Wait()
	s.mu.Lock()
	w := s.queue[0]
	s.mu.Unlock()
	w.taken.Store(true) // as by who commits it
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrInDoubt) {
		t.Errorf("one whose write is under way gets %v", err)
	}
	close(proceed)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestFailedTransaction has one fail: nothing of it is there, and nothing is
// counted.
func TestFailedTransaction(t *testing.T) {
	s := open(t, "", Options{})
	set(t, s, "a", "old", time.Hour)
	odd := errors.New("odd")
	_, err := update(t.Context(), s, func(t *table) (struct{}, error) {
		return struct{}{}, errors.Join(t.put(inFile("a"), draft([]byte("new")), never), odd)
	})
	if !errors.Is(err, odd) {
		t.Errorf("it returns %v", err)
	}
	if rec := get(t, s, "a"); string(rec.Value) != "old" {
		t.Errorf("a holds %q", rec.Value)
	}
}

// TestClaimsAreBounded claims more keys than there may be, and many times over.
func TestClaimsAreBounded(t *testing.T) {
	c := mock()
	claims := newClaims(c)
	var last string
	for i := range 3 * maxClaims {
		last = claims.take(fmt.Sprint(i), time.Hour)
	}
	if n := len(claims.byKey); n > maxClaims {
		t.Errorf("%d keys are claimed", n)
	}
	if !claims.good(fmt.Sprint(3*maxClaims-1), last) {
		t.Error("the last claim is no good")
	}
	c.Add(time.Hour)
	for i := range 150 {
		claims.take(fmt.Sprint("again", i), time.Millisecond)
		c.Add(time.Millisecond)
	}
	if n := len(claims.byKey); n > 80 {
		t.Errorf("%d keys are claimed, all but one of which are over", n)
	}
	if claims.good("a", claims.take("a", storage.Forever)) != true {
		t.Error("a claim for ever is no good")
	}
}
