package boltstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/perennial-go/perennial/storage"
)

// TestClaimDuringACommit claims a key while a transaction that deletes it is
// under way: the claimant saw the old record, so its fill must be refused.
func TestClaimDuringACommit(t *testing.T) {
	s := open(t, "", Options{NoSync: true})
	set(t, s, "a", "old", time.Hour)
	var claims []storage.Claimed
	_, err := update(t.Context(), s, func(tb *table) (struct{}, error) {
		tb.drop("a")
		err := tb.remove(inFile("a"))
		claims = claimed(t, s, "a")
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(claims[0].Value) != "old" {
		t.Fatalf("the claim is of %q", claims[0].Value)
	}
	if filled(t, s, "a", claims[0].Token) {
		t.Error("what was loaded before the delete is stored after it")
	}
}

// TestClaimComesBeforeItsRead deletes a record at the moment that it is claimed:
// the claimant may fill, so it must not have seen the record.
func TestClaimComesBeforeItsRead(t *testing.T) {
	c := &hooked{Clock: clock.New()}
	s := open(t, "", Options{NoSync: true, Clock: c})
	set(t, s, "a", "old", time.Hour)
	c.hook = func() {
		c.hook = nil
		if existed, err := s.Delete(t.Context(), "a"); !existed || err != nil {
			t.Errorf("Delete says %v, %v", existed, err)
		}
	}
	claims := claimed(t, s, "a")
	if claims[0].Found && filled(t, s, "a", claims[0].Token) {
		t.Error("what was loaded before the delete is stored after it")
	}
}

// hooked is a clock that has something happen when it is asked how long ago
// something was.
type hooked struct {
	clock.Clock
	hook func()
}

func (c *hooked) Since(t time.Time) time.Duration {
	if c.hook != nil {
		c.hook()
	}
	return c.Clock.Since(t)
}

// TestFillAfterSetInOneTransaction has both in one batch.
func TestFillAfterSetInOneTransaction(t *testing.T) { synctest.Test(t, fillAfterSetInOneTransaction) }

func fillAfterSetInOneTransaction(t *testing.T) {
	s := open(t, "", Options{NoSync: true})
	claims := claimed(t, s, "a", "b")
	s.turn <- struct{}{} // somebody commits
	done := make(chan bool)
	go func() { set(t, s, "a", "new", time.Hour); done <- true }()
	synctest.Wait()
	go func() { done <- filled(t, s, "a", claims[0].Token) }()
	synctest.Wait()
	go func() { done <- filled(t, s, "b", claims[1].Token) }()
	synctest.Wait()
	<-s.turn
	if a, b, c := <-done, <-done, <-done; a && b && c {
		t.Error("the fill is stored")
	}
	if rec := get(t, s, "a"); string(rec.Value) != "new" {
		t.Errorf("a holds %q", rec.Value)
	}
	if rec := get(t, s, "b"); string(rec.Value) != "filled" {
		t.Errorf("b holds %q", rec.Value)
	}
}

// TestSwapsInOneTransaction has two swaps of one claim, and one after a fill, in one batch.
func TestSwapsInOneTransaction(t *testing.T) { synctest.Test(t, swapsInOneTransaction) }

func swapsInOneTransaction(t *testing.T) {
	s := open(t, "", Options{NoSync: true})
	claims := claimed(t, s, "a", "b")
	s.turn <- struct{}{} // somebody commits
	done := make(chan bool)
	for _, call := range []func() bool{
		func() bool { return swapped(t, s, "a", "first", claims[0]) },
		func() bool { return swapped(t, s, "a", "second", claims[0]) },
		func() bool { return filled(t, s, "b", claims[1].Token) },
		func() bool { return swapped(t, s, "b", "first", claims[1]) },
	} {
		go func() { done <- call() }()
		synctest.Wait()
	}
	<-s.turn
	yes := 0
	for range 4 {
		if <-done {
			yes++
		}
	}
	if yes != 2 {
		t.Errorf("%d of four are stored, want one swap and the fill", yes)
	}
	if rec := get(t, s, "a"); string(rec.Value) != "first" {
		t.Errorf("a holds %q", rec.Value)
	}
	if rec := get(t, s, "b"); string(rec.Value) != "filled" {
		t.Errorf("b holds %q", rec.Value)
	}
}

func swapped(t *testing.T, s *Store, key, value string, was storage.Claimed) bool {
	t.Helper()
	swapped, err := s.CompareAndSwap(t.Context(), was, storage.Item{Key: key, Value: []byte(value), Keep: time.Hour})
	if err != nil {
		t.Error(err)
	}
	return swapped
}

func claimed(t *testing.T, s *Store, keys ...string) []storage.Claimed {
	t.Helper()
	claims, err := s.Claim(t.Context(), time.Hour, keys...)
	if err != nil {
		t.Error(err)
	}
	return claims
}

func filled(t *testing.T, s *Store, key, token string) bool {
	t.Helper()
	stored, err := s.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: key, Value: []byte("filled"), Keep: time.Hour}, Token: token})
	if err != nil {
		t.Error(err)
	}
	return stored[0]
}
