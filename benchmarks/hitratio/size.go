package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// size is how much a cache may hold.
type size struct {
	name     string // in tables over many traces
	capacity int64  // entries, or bytes where these count
}

// autoSizes are the shares of what a trace asks for that caches hold, where no
// sizes are given.
var autoSizes = []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5}

// sizesFor is the sizes given, or with none those that suit a trace.
func sizesFor(given []int64, t *trace.Trace) []size {
	var all []size
	for _, capacity := range given {
		all = append(all, size{runner.Count(int(capacity)), capacity})
	}
	if len(given) > 0 {
		return all
	}
	for _, share := range autoSizes {
		capacity := max(1, int64(math.Round(share*float64(t.Volume()))))
		all = append(all, size{fmt.Sprintf("%g %%", 100*share), capacity})
	}
	return slices.CompactFunc(all, func(a, b size) bool { return a.capacity == b.capacity })
}

// parseSizes is the sizes of a list with commas, in order, or none for auto.
func parseSizes(list string) ([]int64, error) {
	if list == "auto" {
		return nil, nil
	}
	var all []int64
	for _, text := range runner.Split(list) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no size: give whole numbers above 0 with commas between them, or auto", text)
		}
		all = append(all, n)
	}
	if len(all) == 0 {
		return nil, errors.New("there are no sizes: give whole numbers above 0 with commas between them, or auto")
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
