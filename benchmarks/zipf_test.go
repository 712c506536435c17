package benchmarks

import (
	"slices"
	"testing"
)

func TestDrawsAreThoseOfTheSeed(t *testing.T) {
	const count, draws = 1000, 100_000
	d := Zipf(seed, count)
	first := d.Sequence(draws)
	if again := d.Sequence(draws); !slices.Equal(first, again) {
		t.Error("a second sequence of one distribution differs")
	}
	if !slices.Equal(first, Zipf(seed, count).Sequence(draws)) {
		t.Error("the sequence of the same seed differs")
	}
	if slices.Equal(first, Zipf(seed+1, count).Sequence(draws)) {
		t.Error("the sequence of another seed is the same")
	}
	times := make([]int, count)
	for _, number := range first {
		times[number]++
	}
	slices.Sort(times)
	if most := times[count-1]; most < draws/10 {
		t.Errorf("the most frequent of %d numbers is drawn %d times of %d", count, most, draws)
	}
}
