// Package trace is sequences of requests to a cache: read from files, or drawn
// from distributions with a seed.
package trace

import (
	"errors"
	"iter"
	"math"
)

// Request is one look-up of a key.
type Request struct {
	Key  uint64  // the key of the trace if that is a number, or else its hash
	Size int64   // of what is loaded if it is not held, 1 where the trace has no sizes
	Cost float64 // of loading it, 1 where there are no costs
}

// Trace is requests in their order. It takes four bytes a request, eight more
// for a size and for a cost where it has them, and eight a distinct key. It does
// not change once it is made.
type Trace struct {
	Name  string
	order []uint32  // of each request, which of the keys
	keys  []uint64  // in order of their first request
	sizes []int64   // of each request, or nil
	costs []float64 // of each request, or nil
}

// Len is how many requests there are.
func (t *Trace) Len() int { return len(t.order) }

// Distinct is how many keys there are.
func (t *Trace) Distinct() int { return len(t.keys) }

// HasSizes tells whether the trace says how large values are.
func (t *Trace) HasSizes() bool { return t.sizes != nil }

// HasCosts tells whether the trace says what loads cost.
func (t *Trace) HasCosts() bool { return t.costs != nil }

// At is the request of a number below Len.
func (t *Trace) At(i int) Request {
	r := Request{Key: t.keys[t.order[i]], Size: 1, Cost: 1}
	if t.sizes != nil {
		r.Size = t.sizes[i]
	}
	if t.costs != nil {
		r.Cost = t.costs[i]
	}
	return r
}

// All is the requests in order, each with its number.
func (t *Trace) All() iter.Seq2[int, Request] {
	return func(yield func(int, Request) bool) {
		for i := range t.order {
			if !yield(i, t.At(i)) {
				return
			}
		}
	}
}

// Volume is what a cache must hold to hold every key: the sizes of each one's
// last request, or how many there are where the trace has no sizes.
func (t *Trace) Volume() int64 {
	if t.sizes == nil {
		return int64(len(t.keys))
	}
	last := make([]int64, len(t.keys))
	for i, k := range t.order {
		last[k] = t.sizes[i]
	}
	var sum int64
	for _, size := range last {
		sum += size
	}
	return sum
}

// Never stands for the number of a request that does not come.
const Never = math.MaxUint32

// Next is, for each request, the number of the next one of the same key, or
// Never.
func (t *Trace) Next() []uint32 {
	next, coming := make([]uint32, len(t.order)), make([]uint32, len(t.keys))
	for k := range coming {
		coming[k] = Never
	}
	for i := len(t.order) - 1; i >= 0; i-- {
		k := t.order[i]
		next[i], coming[k] = coming[k], uint32(i)
	}
	return next
}

// builder makes a trace, request by request.
type builder struct {
	trace  Trace
	number map[uint64]uint32 // of each key
}

func newBuilder(name string) *builder {
	return &builder{trace: Trace{Name: name}, number: map[uint64]uint32{}}
}

var errTooLong = errors.New("there are more requests than can be counted in 32 bits: cut the trace into parts")

// add is a further request.
func (b *builder) add(key uint64) error {
	t := &b.trace
	if len(t.order) == Never {
		return errTooLong
	}
	k, known := b.number[key]
	if !known {
		k = uint32(len(t.keys))
		b.number[key] = k
		t.keys = append(t.keys, key)
	}
	t.order = append(t.order, k)
	return nil
}
