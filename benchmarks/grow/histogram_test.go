package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQuantilesAreThoseOfTheSorted(t *testing.T) {
	const seed, n = 1, 20_000
	r := rand.New(rand.NewPCG(seed, 0))
	var h, first, second histogram
	var all []int64
	for i := range n {
		ns := int64(math.Exp(20 * r.Float64())) // up to half a second
		h.record(ns)
		if i%2 == 0 {
			first.record(ns)
		} else {
			second.record(ns)
		}
		all = append(all, ns)
	}
	first.add(&second)
	slices.Sort(all)
	for _, q := range []float64{0, 0.001, 0.5, 0.9, 0.99, 0.999, 0.9999, 1} {
		want := all[max(0, int(math.Ceil(q*n))-1)]
		got := h.quantile(q)
		if got < want || float64(got) > float64(want)*(1+1.0/32) {
			t.Errorf("quantile %v is %d, want %d or a little more", q, got, want)
		}
		if sum := first.quantile(q); sum != got {
			t.Errorf("quantile %v of two halves is %d, want %d", q, sum, got)
		}
	}
	if h.quantile(1) != all[n-1] {
		t.Errorf("the greatest is %d, want %d as it is", h.quantile(1), all[n-1])
	}
}

func TestQuantilesOfFew(t *testing.T) {
	var none histogram
	if got := none.quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %d, want 0", got)
	}
	var few histogram
	for _, ns := range []int64{30, 10, 20} {
		few.record(ns)
	}
	for q, want := range map[float64]int64{0.3: 10, 0.5: 20, 0.67: 30, 1: 30} {
		if got := few.quantile(q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	var h histogram
	for bucket := range h.counts {
		end := endOf(bucket)
		if got := bucketOf(end); got != bucket {
			t.Fatalf("%d is in bucket %d, want %d", end, got, bucket)
		}
		if end == math.MaxInt64 {
			return
		}
		if got := bucketOf(end + 1); got != bucket+1 {
			t.Fatalf("%d is in bucket %d, want %d", end+1, got, bucket+1)
		}
	}
	t.Error("no bucket has the greatest duration")
}
