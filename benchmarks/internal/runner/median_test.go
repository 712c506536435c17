package runner

import "testing"

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{
		{[]float64{7}, 7},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := Median(c.of); got != c.want {
			t.Errorf("the median of %v is %v, want %v", c.of, got, c.want)
		}
	}
}

func TestEveryRoundBeginsWithTheNext(t *testing.T) {
	all := []string{"a", "b", "c"}
	first := map[int]bool{}
	for round := range all {
		order := InTurn(all, round)
		first[order[0]] = true
		seen := map[int]bool{}
		for _, i := range order {
			seen[i] = true
		}
		if len(seen) != len(all) {
			t.Errorf("round %d has %v: somebody is left out", round, order)
		}
	}
	if len(first) != len(all) {
		t.Errorf("only %d of %d ever begin", len(first), len(all))
	}
}
