package main

import "testing"

func TestWorstIsThatOfOneSlice(t *testing.T) {
	l := &latencies{make([]histogram, 3)}
	for range 5000 {
		l.slices[0].record(10)
		l.slices[1].record(10)
	}
	for range 6 {
		l.slices[1].record(60)
	}
	l.slices[2].record(1000) // alone, so the slice has no p99.9
	if got := l.worst(0.999); got != 60 {
		t.Errorf("the worst p99.9 is %d, want 60", got)
	}
	if got := l.all().quantile(0.999); got != 10 {
		t.Errorf("the p99.9 of all is %d, want 10", got)
	}
	if got := l.all().quantile(1); got != 1000 {
		t.Errorf("the greatest is %d, want 1000", got)
	}
}
