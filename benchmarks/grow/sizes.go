package main

import "time"

// sizes is how far everything grows.
type sizes struct {
	entries []int // that are held
	draws   int   // of keys, a power of two

	callers []int     // goroutines
	writes  []float64 // shares of the operations
	keys    int       // that they ask for

	capacities []int

	expiring int           // entries
	spread   time.Duration // in which they expire
	lead     time.Duration // from the first write to the first expiry
	patience time.Duration // for the last of them to go

	functions int
	calls     int           // of each function
	quiet     time.Duration // without a change in the number of goroutines
}

func full() sizes {
	return sizes{
		entries: []int{1e3, 1e4, 1e5, 1e6, 1e7}, draws: 1 << 22,
		callers: []int{1, 2, 4, 8, 16, 32, 64}, writes: []float64{0, 0.01, 0.1}, keys: 1e5,
		capacities: []int{1e3, 1e4, 1e5, 1e6},
		expiring:   1e6, spread: 500 * time.Millisecond, lead: 4 * time.Second, patience: time.Minute,
		functions: 100, calls: 1000, quiet: 1500 * time.Millisecond,
	}
}

func tiny() sizes {
	return sizes{
		entries: []int{1e3, 1e4}, draws: 1 << 16,
		callers: []int{1, 4, 16}, writes: []float64{0, 0.01, 0.1}, keys: 1e3,
		capacities: []int{1e2, 1e3},
		expiring:   1e4, spread: 100 * time.Millisecond, lead: 200 * time.Millisecond, patience: 10 * time.Second,
		functions: 10, calls: 100, quiet: 100 * time.Millisecond,
	}
}
