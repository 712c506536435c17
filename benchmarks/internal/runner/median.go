package runner

import (
	"fmt"
	"slices"
)

// MedianOf is the median of what is picked from samples.
func MedianOf[T any](samples []T, pick func(T) float64) float64 { return Median(Picked(samples, pick)) }

// Picked is what is picked from samples.
func Picked[T any](samples []T, pick func(T) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = pick(s)
	}
	return values
}

// Nanoseconds is the times of samples, the least first.
func Nanoseconds(samples []Sample) []float64 {
	ns := Picked(samples, func(s Sample) float64 { return s.NS })
	slices.Sort(ns)
	return ns
}

// Median sorts what it is given.
func Median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// Digits is a number with as many digits as mean anything.
func Digits(n float64) string {
	if n < 100 {
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}
