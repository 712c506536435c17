package trace

import (
	"math"
	"math/rand/v2"
)

// WithLogNormalCosts is the trace with a cost for each key in place of those it
// has. They are drawn from a log-normal distribution whose median is 1; sigma is
// the standard deviation of their logarithms. A key's cost depends on the seed
// and on nothing else.
func (t *Trace) WithLogNormalCosts(seed uint64, sigma float64) *Trace {
	of := make([]float64, len(t.keys))
	for k, key := range t.keys {
		of[k] = math.Exp(sigma * rand.New(rand.NewPCG(seed, key)).NormFloat64())
	}
	priced := *t
	priced.costs = make([]float64, len(t.order))
	for i, k := range t.order {
		priced.costs[i] = of[k]
	}
	return &priced
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
