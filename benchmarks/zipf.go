package benchmarks

import "math/rand/v2"

const (
	zipfKeys     = 100_000
	zipfSequence = 1 << 20 // a power of two: the walk wraps without a division
)

// Distribution is a Zipf distribution over the numbers below a count, with
// s = 1.1 and v = 1. Which number has which rank is drawn.
type Distribution struct {
	number []uint32 // by rank
	source rand.PCG // as it stands before the first draw
}

// Zipf makes the distribution of a seed over the numbers below count.
func Zipf(seed uint64, count int) *Distribution {
	d := &Distribution{number: make([]uint32, count)}
	for i := range d.number {
		d.number[i] = uint32(i)
	}
	source := rand.NewPCG(seed, 0)
	rand.New(source).Shuffle(count, func(i, j int) { d.number[i], d.number[j] = d.number[j], d.number[i] })
	d.source = *source
	return d
}

// Draws returns what draws one number after the other, from the first on. It is
// for one goroutine.
func (d *Distribution) Draws() func() uint32 {
	source := d.source
	ranks := rand.NewZipf(rand.New(&source), 1.1, 1, uint64(len(d.number)-1))
	return func() uint32 { return d.number[ranks.Uint64()] }
}

// Sequence is the first draws, as many as are asked for.
func (d *Distribution) Sequence(length int) []uint32 {
	next := d.Draws()
	sequence := make([]uint32, length)
	for i := range sequence {
		sequence[i] = next()
	}
	return sequence
}
