package eviction

import "sync/atomic"

// reads is places whose entries were read, in order, until they are taken. Who
// reads waits for nobody: where there is no room, and where they are taken just
// now, a read goes unreported.
type reads struct {
	_      [64]byte // it is written to by readers: what is around it is not theirs
	count  atomic.Uint32
	places [mostReported]atomic.Uint32
	_      [64]byte
}

const mostReported = 1024

func (r *reads) report(place uint32) {
	if r.count.Load() >= mostReported {
		return
	}
	if i := r.count.Add(1) - 1; i < mostReported {
		r.places[i].Store(place)
	}
}

// take yields the places that were reported since. Only one may take at a time.
func (r *reads) take(yield func(place uint32) bool) {
	count := min(r.count.Load(), mostReported)
	if count == 0 {
		return
	}
	for i := range count {
		if place := r.places[i].Swap(0); place != 0 { // else it is still to be stored
			yield(place)
		}
	}
	r.count.Store(0)
}
