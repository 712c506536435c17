package main

import (
	"fmt"
	"time"
)

// lasting is a duration in nanoseconds, with three digits.
func lasting(ns float64) string {
	for _, unit := range []struct {
		size time.Duration
		text string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if n := ns / float64(unit.size); n >= 1 {
			return fmt.Sprintf("%.3g %s", n, unit.text)
		}
	}
	return fmt.Sprintf("%.3g ns", ns)
}

func floats(all []int) []float64 {
	as := make([]float64, len(all))
	for i, n := range all {
		as[i] = float64(n)
	}
	return as
}
