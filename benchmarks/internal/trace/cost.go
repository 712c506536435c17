package trace

import (
	"math"
	"math/rand/v2"
)

// Streams of random numbers, of which each draws something else.
const (
	costStream = iota
	noiseStream
	sizeStream
)

// medianSize is the median of sizes that are drawn.
const medianSize = 1000

// WithLogNormalCosts is the trace with a cost for each key in place of those it
// has. They are drawn from a log-normal distribution whose median is 1; sigma is
// the standard deviation of their logarithms. A key's cost depends on the seed
// and on nothing else.
func (t *Trace) WithLogNormalCosts(seed uint64, sigma float64) *Trace {
	of := t.logNormal(seed+costStream, sigma)
	priced := *t
	priced.costs = make([]float64, len(t.order))
	for i, k := range t.order {
		priced.costs[i] = of[k]
	}
	return &priced
}

// WithNoise is the trace with costs that differ from load to load: each is that
// of the trace times a number drawn from a log-normal distribution whose median
// is 1 and whose logarithms have the standard deviation sigma.
func (t *Trace) WithNoise(seed uint64, sigma float64) *Trace {
	random := rand.New(rand.NewPCG(seed, noiseStream))
	noisy := *t
	noisy.costs = make([]float64, len(t.order))
	for i := range t.order {
		noisy.costs[i] = t.At(i).Cost * math.Exp(sigma*random.NormFloat64())
	}
	return &noisy
}

// WithLogNormalSizes is the trace with a size for each key in place of those it
// has, drawn as costs are, with a median of 1,000, and of 1 at least.
func (t *Trace) WithLogNormalSizes(seed uint64, sigma float64) *Trace {
	of := t.logNormal(seed+sizeStream, sigma)
	sized := *t
	sized.sizes = make([]int64, len(t.order))
	for i, k := range t.order {
		sized.sizes[i] = int64(min(math.MaxInt32, max(1, medianSize*of[k])))
	}
	return &sized
}

// logNormal draws a number for each key, which depends on the seed and the key
// and on nothing else.
func (t *Trace) logNormal(seed uint64, sigma float64) []float64 {
	of := make([]float64, len(t.keys))
	for k, key := range t.keys {
		of[k] = math.Exp(sigma * rand.New(rand.NewPCG(seed, key)).NormFloat64())
	}
	return of
}

// WithoutCosts is the trace with a cost of 1 for every load.
func (t *Trace) WithoutCosts() *Trace {
	priced := *t
	priced.costs = nil
	return &priced
}

// WithoutSizes is the trace with a size of 1 for every value.
func (t *Trace) WithoutSizes() *Trace {
	counted := *t
	counted.sizes = nil
	return &counted
}
