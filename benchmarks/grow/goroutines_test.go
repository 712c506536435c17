package main

import (
	"slices"
	"testing"
)

func TestShareOfWrites(t *testing.T) {
	const keys, draws = 100, 100_000
	for _, share := range []float64{0, 0.01, 0.1} {
		sequence, writes := mixed(1, keys, draws, share), 0
		for _, draw := range sequence {
			if draw&isWrite != 0 {
				writes++
			}
			if draw&^isWrite >= keys {
				t.Fatalf("there is no key %d", draw&^isWrite)
			}
		}
		if got := float64(writes) / draws; got < 0.9*share || got > 1.1*share {
			t.Errorf("%v are writes, want %v", got, share)
		}
		if !slices.Equal(sequence, mixed(1, keys, draws, share)) {
			t.Error("the same seed gives another sequence")
		}
	}
}
