package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// model is LRU as one would say it: a row, the last asked for first.
type model struct {
	row      []trace.Request
	capacity int64
}

func (m *model) get(r trace.Request) bool {
	at := slices.IndexFunc(m.row, func(o trace.Request) bool { return o.Key == r.Key })
	hit := at >= 0
	switch {
	case hit:
		r = m.row[at]
		m.row = slices.Delete(m.row, at, at+1)
	case r.Size > m.capacity:
		return false
	}
	m.row = slices.Insert(m.row, 0, r)
	for m.held() > m.capacity {
		m.row = m.row[:len(m.row)-1]
	}
	return hit
}

func (m *model) held() (sum int64) {
	for _, r := range m.row {
		sum += r.Size
	}
	return sum
}

func TestLRUIsThatOfAModel(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	for _, largest := range []int64{1, 9} {
		for capacity := int64(1); capacity <= 12; capacity++ {
			got, want := openLRU(terms{capacity: capacity}), &model{capacity: capacity}
			for i := range 3000 {
				request := trace.Request{Key: uint64(r.IntN(20)), Size: 1 + r.Int64N(largest)}
				if hit := got.get(request); hit != want.get(request) || got.held() != want.held() {
					t.Fatalf("seed %d, capacity %d, request %d, %v: hit %v, %d held; the model holds %v", seed, capacity, i, request, hit, got.held(), want.row)
				}
			}
		}
	}
}
