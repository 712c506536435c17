package main

import (
	"math"
	"testing"
)

// boardOf is a board of hits at two sizes: of LRU, two plain policies and one
// that chooses.
func boardOf(t *testing.T, hits [2][4]float64) *board {
	t.Helper()
	b := &board{
		trace:    drawn(t, "loop:n=10:keys=5"),
		sizes:    []size{{"1 %", 10}, {"2 %", 20}},
		policies: []policy{{name: exactLRU}, {name: "A", kind: ours, plain: true}, {name: "B", kind: ours, plain: true}, {name: "C", kind: ours}},
	}
	for _, at := range hits {
		var row []result
		for _, h := range at {
			row = append(row, result{hits: spread{h, h, h}, wait: spread{1 - h, 1 - h, 1 - h}})
		}
		b.results = append(b.results, row)
	}
	return b
}

func TestRegret(t *testing.T) {
	boards := []*board{
		boardOf(t, [2][4]float64{{0.9, 0.5, 0.4, 0.3}, {0.9, 0.6, 0.7, 0.8}}), // LRU is not one of ours
		boardOf(t, [2][4]float64{{0, 0.2, 0.5, 0.5}, {0, 0.5, 0.5, 0.4}}),
	}
	rows := regrets("C", boards)
	if len(rows) != 3 || rows[0].size != "1 %" || rows[1].size != "2 %" || rows[2].size != "all" {
		t.Fatalf("got %d rows", len(rows))
	}
	for i, want := range []struct {
		mean, worst float64
		count       int
	}{{0.1, 0.2, 2}, {0, 0.1, 2}, {0.05, 0.2, 4}} {
		got := rows[i].hits
		if math.Abs(got.mean()-want.mean) > 1e-9 || math.Abs(got.worst-want.worst) > 1e-9 || got.count != want.count {
			t.Errorf("%s: mean %v, worst %v of %d; want %+v", rows[i].size, got.mean(), got.worst, got.count, want)
		}
	}
	if got := rows[0].wait.worst; math.Abs(got-0.4) > 1e-9 { // 0.7 where 0.5 was possible
		t.Errorf("callers wait %v longer at worst, want 0.4", got)
	}
}

func TestSpreadIsMedianAndEnds(t *testing.T) {
	r := resultOf([]outcome{{hits: 3, requests: 10, held: 5}, {hits: 1, requests: 10, held: 9}, {hits: 2, requests: 10}})
	if r.hits != (spread{0.2, 0.1, 0.3}) || r.held != 9 {
		t.Errorf("got %+v", r)
	}
	if got := r.hits.percent(); got != "20.0 (10.0 to 30.0)" {
		t.Errorf("got %q", got)
	}
	if got := (spread{0.2, 0.2, 0.2}).percent(); got != "20.0" {
		t.Errorf("got %q", got)
	}
}
