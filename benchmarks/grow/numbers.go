package main

import (
	"fmt"
	"strconv"
	"time"
)

// short is a number for the side of a chart: 500, 20k, 1M.
func short(n float64) string {
	for _, unit := range []struct {
		size float64
		text string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= unit.size {
			return fmt.Sprintf("%.4g%s", n/unit.size, unit.text)
		}
	}
	return fmt.Sprintf("%.4g", n)
}

// count is a whole number with commas: 1,000,000.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

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
