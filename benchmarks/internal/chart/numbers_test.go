package chart

import "testing"

func TestShort(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 0.5: "0.5", 500: "500", 20_000: "20k", 1e6: "1M", 1.5e9: "1.5G"} {
		if got := Short(n); got != want {
			t.Errorf("%v: got %q, want %q", n, got, want)
		}
	}
}
