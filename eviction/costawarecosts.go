package eviction

import (
	"math"
	"time"
)

// costs is what loads took, of each place of an arena: a byte each, in steps of an
// eighth of an octave.
type costs struct {
	chunks []*[chunkSize]uint8
	usual  float64 // the running mean of steps
	told   bool    // whether there was any load
}

const (
	leastTook    = 10 * time.Microsecond // which is step 0; the last is 11 hours
	costSteps    = 8                     // to twice as long
	mostAbove    = 10 * costSteps        // the usual load: a thousand times as long
	usualShare   = 1.0 / 64              // of the usual cost that is the new load's
	blendedShare = 4                     // loads of a key of which the new one is one, as far as it counts
)

// tookOf is what a step stands for, in units of leastTook.
var tookOf = func() (of [256]float64) {
	for step := range of {
		of[step] = math.Exp2(float64(step) / costSteps)
	}
	return of
}()

func (c *costs) at(place uint32) *uint8 {
	place--
	return &c.chunks[place/chunkSize][place%chunkSize]
}

// of is the cost of a place.
func (c *costs) of(place uint32) float64 { return tookOf[*c.at(place)] }

// begin notes the cost of a place whose key is new.
func (c *costs) begin(place uint32, took time.Duration) {
	for int(place) > len(c.chunks)*chunkSize {
		c.chunks = append(c.chunks, new([chunkSize]uint8))
	}
	*c.at(place) = c.step(took)
}

// blend notes what a further load of a place's key took.
func (c *costs) blend(place uint32, took time.Duration) {
	if took == untold {
		return
	}
	at := c.at(place)
	*at = uint8(((blendedShare-1)*int(*at) + int(c.step(took)) + blendedShare/2) / blendedShare)
}

// step is the step for a load, or the usual one where nobody told of any.
func (c *costs) step(took time.Duration) uint8 {
	if took == untold {
		return uint8(math.Round(c.usual))
	}
	step := math.Round(costSteps * math.Log2(float64(max(took, leastTook))/float64(leastTook)))
	if !c.told {
		c.usual, c.told = min(math.MaxUint8, step), true
	}
	step = min(step, c.usual+mostAbove, math.MaxUint8)
	c.usual += (step - c.usual) * usualShare
	return uint8(step)
}
