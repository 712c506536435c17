package main

import "testing"

func TestDurationsAsText(t *testing.T) {
	for got, want := range map[string]string{
		lasting(0): "0 ns", lasting(44): "44 ns", lasting(1500): "1.5 µs", lasting(2.5e7): "25 ms", lasting(6.9e9): "6.9 s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
