package main

import (
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/benchmarks/internal/chart"
)

func TestHeldAt(t *testing.T) {
	run := expiryRun{held: []held{{0, 9}, {10, 7}, {20, 3}}}
	for at, want := range map[time.Duration]int{0: 9, 1: 7, 10: 7, 20: 3, 30: 3} {
		if got := run.heldAt(at); got != want {
			t.Errorf("%d are held at %d, want %d", got, at, want)
		}
	}
}

func TestCornersKeepTheShape(t *testing.T) {
	at := func(x, y float64) chart.Point { return chart.Point{X: x, Y: y} }
	got := corners([]chart.Point{at(0, 9), at(1, 9), at(2, 9), at(3, 5), at(4, 5), at(5, 5), at(6, 5)})
	want := []chart.Point{at(0, 9), at(2, 9), at(3, 5), at(6, 5)}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
