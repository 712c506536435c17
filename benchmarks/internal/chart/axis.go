package chart

import "math"

// Axis is one side of a chart.
type Axis struct {
	Label string
	Log   bool
	Ticks []float64 // nil lets them be chosen, on a linear axis from 0 on
	Text  func(float64) string
}

// scale is an axis from its first tick to its last.
type scale struct {
	Axis
	low, high float64
}

// over is the axis for figures that lie between two. Where ticks are given, it
// reaches from the first to the last.
func (a Axis) over(low, high float64) scale {
	switch {
	case a.Ticks != nil:
	case a.Log:
		a.Ticks = decades(low, high)
	default:
		a.Ticks = steps(high)
	}
	return scale{a, a.Ticks[0], a.Ticks[len(a.Ticks)-1]}
}

// at is where a figure lies: 0 at the first tick, 1 at the last.
func (s scale) at(v float64) float64 {
	switch {
	case s.low == s.high:
		return 0.5
	case s.Log:
		return math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return (v - s.low) / (s.high - s.low)
}

// steps are round numbers from 0 to the first that is not below high.
func steps(high float64) []float64 {
	const most = 6
	if high <= 0 {
		return []float64{0, 1}
	}
	power := math.Pow(10, math.Floor(math.Log10(high/most)))
	step := power
	for _, factor := range []float64{1, 2, 5, 10} {
		if step = factor * power; high/step <= most {
			break
		}
	}
	ticks := []float64{0}
	for i := 1; ticks[len(ticks)-1] < high; i++ {
		ticks = append(ticks, float64(i)*step)
	}
	return ticks
}

// decades are powers of ten around low and high, above 0, and where these are
// few twice and five times the powers too.
func decades(low, high float64) []float64 {
	const few = 2
	factors := []float64{1}
	if math.Log10(high/low) <= few {
		factors = []float64{1, 2, 5}
	}
	var ticks []float64
	for e := math.Floor(math.Log10(low)); ; e++ {
		for _, factor := range factors {
			tick := factor * math.Pow(10, e)
			if tick <= low {
				ticks = ticks[:0]
			}
			ticks = append(ticks, tick)
			if tick >= high && len(ticks) > 1 {
				return ticks
			}
		}
	}
}
