package benchmarks

import (
	"time"
	_ "unsafe" // for linkname
)

// nanotime is the clock of the runtime, without anything around it.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// Nanotime is the monotonic clock in nanoseconds, for what takes little longer
// than to read a clock.
func Nanotime() int64 { return nanotime() }

// Reading is one way to read the clock.
type Reading struct {
	Name string
	Run  func(n int)
}

// Sink keeps the compiler from leaving the readings out.
var Sink int64

// Readings are the ways to read the clock, for comparison with a hit.
func Readings() []Reading {
	return []Reading{
		{"runtime.nanotime", func(n int) {
			for range n {
				Sink = nanotime()
			}
		}},
		{"time.Since", func(n int) {
			for range n {
				Sink = int64(time.Since(start))
			}
		}},
		{"time.Now", func(n int) {
			for range n {
				Sink = time.Now().UnixNano()
			}
		}},
	}
}
