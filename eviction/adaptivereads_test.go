package eviction

import (
	"slices"
	"sync"
	"testing"
)

func TestReportedReads(t *testing.T) {
	var r reads
	var got []uint32
	take := func() {
		got = nil
		r.take(func(place uint32) bool { got = append(got, place); return true })
	}
	if take(); len(got) > 0 {
		t.Errorf("%v before anything was read", got)
	}
	for place := uint32(1); place <= 5; place++ {
		r.report(place)
	}
	if take(); !slices.Equal(got, []uint32{1, 2, 3, 4, 5}) {
		t.Errorf("got %v, want 1 to 5", got)
	}
	if take(); len(got) > 0 {
		t.Errorf("%v is there twice", got)
	}
	for place := range uint32(3 * mostReported) {
		r.report(1 + place)
	}
	if take(); len(got) != mostReported || got[0] != 1 || got[mostReported-1] != mostReported {
		t.Errorf("%d are there after too many, want the first %d", len(got), mostReported)
	}
	r.count.Add(1) // a reader who has come and has not yet said what it read
	r.report(7)
	if take(); !slices.Equal(got, []uint32{7}) {
		t.Errorf("got %v, want 7", got)
	}
}

// Under the race detector: what is taken was read, whoever reads meanwhile.
func TestReadsAreReportedWhileTheyAreTaken(t *testing.T) {
	var r reads
	var readers sync.WaitGroup
	for reader := range uint32(4) {
		readers.Go(func() {
			for i := range uint32(5000) {
				r.report(1 + reader*5000 + i)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		readers.Wait()
		close(done)
	}()
	taken := 0
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		r.take(func(place uint32) bool {
			taken++
			if place < 1 || place > 20_000 {
				t.Errorf("place %d was not read", place)
			}
			return true
		})
	}
	if taken == 0 || taken > 20_000 {
		t.Errorf("%d reads are taken of 20000", taken)
	}
}
