package memoize

import (
	"context"
	"slices"
	"sync"
)

// bypassed is an argument of a call for many while the function is bypassed.
type bypassed[A, V any] struct {
	arg    A
	places []int // where it stands among the arguments
	result Result[V]
	err    error
}

// bypassMany is a call for many arguments while the function is bypassed. The source is
// asked no more often than through the cache: for equal keys once, for those that it
// takes together at once, else side by side. An argument of which no key can be made is
// asked for as it is.
func (e *engine[A, K, V]) bypassMany(ctx context.Context, p *plan[A, K, V], args []A) ([]V, error) {
	var all []*bypassed[A, V]
	known := map[K]*bypassed[A, V]{}
	for i, arg := range args {
		key, err := e.key(ctx, p, arg)
		if err == nil {
			if b := known[key]; b != nil {
				b.places = append(b.places, i)
				continue
			}
		}
		b := &bypassed[A, V]{arg: arg, places: []int{i}}
		if all = append(all, b); err == nil {
			known[key] = b
		}
	}
	together := 1
	if e.source.many != nil {
		together = p.limits.MaxBatch
	}
	batches := slices.Collect(slices.Chunk(all, together))
	for some := range slices.Chunk(batches, p.limits.MaxLoads) {
		var asking sync.WaitGroup
		for _, batch := range some {
			asking.Go(func() { e.bypassBatch(ctx, p, batch) })
		}
		asking.Wait()
	}
	values, errs := make([]V, len(args)), make([]error, len(args))
	for _, b := range all {
		for _, i := range b.places {
			if errs[i] = b.err; b.err == nil {
				var r Result[V]
				r, errs[i] = e.finish(ctx, p, b.result)
				values[i] = r.Value
			}
		}
	}
	return values, manyError(errs)
}

func (e *engine[A, K, V]) bypassBatch(ctx context.Context, p *plan[A, K, V], batch []*bypassed[A, V]) {
	args := make([]A, len(batch))
	for i, b := range batch {
		args[i], b.err = b.arg, ErrGoexit // unless an observer lets it come back
	}
	results, errs := e.directMany(ctx, p, args)
	for i, b := range batch {
		b.result, b.err = results[i], errs[i]
	}
}
