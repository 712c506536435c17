package chart

import "fmt"

// Short is a number for the side of a chart: 500, 20k, 1M.
func Short(n float64) string {
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
