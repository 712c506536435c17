package main

import "testing"

func TestNumbersAsText(t *testing.T) {
	for got, want := range map[string]string{
		short(0): "0", short(0.5): "0.5", short(500): "500", short(20_000): "20k", short(1e6): "1M", short(1.5e9): "1.5G",
		count(7): "7", count(999): "999", count(1000): "1,000", count(1_000_000): "1,000,000",
		lasting(0): "0 ns", lasting(44): "44 ns", lasting(1500): "1.5 µs", lasting(2.5e7): "25 ms", lasting(6.9e9): "6.9 s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
