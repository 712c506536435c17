package chart

import (
	"math"
	"slices"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis      Axis
		low, high float64
		want      []float64
	}{
		{Axis{}, 3, 87, []float64{0, 20, 40, 60, 80, 100}},
		{Axis{}, 0, 0, []float64{0, 1}},
		{Axis{}, 0, 5, []float64{0, 1, 2, 3, 4, 5}},
		{Axis{Log: true}, 20, 300, []float64{20, 50, 100, 200, 500}},
		{Axis{Log: true}, 30, 9e6, []float64{10, 100, 1e3, 1e4, 1e5, 1e6, 1e7}},
		{Axis{Log: true}, 100, 100, []float64{100, 200}},
		{Axis{Log: true, Ticks: []float64{1, 8}}, 2, 4, []float64{1, 8}},
	} {
		s := c.axis.over(c.low, c.high)
		if !slices.EqualFunc(s.Ticks, c.want, func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*b }) {
			t.Errorf("from %v to %v: ticks at %v, want %v", c.low, c.high, s.Ticks, c.want)
		}
		if first, last := s.at(s.Ticks[0]), s.at(s.Ticks[len(s.Ticks)-1]); first != 0 || math.Abs(last-1) > 1e-9 {
			t.Errorf("from %v to %v: the ends are at %v and %v, want 0 and 1", c.low, c.high, first, last)
		}
	}
}

func TestLogAxisHasEqualRatiosApart(t *testing.T) {
	s := Axis{Log: true, Ticks: []float64{1, 64}}.over(1, 64)
	if got := s.at(8); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("8 is at %v between 1 and 64, want 0.5", got)
	}
}
