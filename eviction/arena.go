package eviction

import "math"

// arena gives each key a place that does not change while the key is there.
// Places are kept with the entries, so keys need not be looked up. X is what a
// policy notes of each. It is not safe for concurrent use.
//
// Cells lie in chunks, so that an arena grows without being copied.
type arena[K comparable, X any] struct {
	chunks  []*[chunkSize]cell[K, X]
	weights []*[chunkSize]int // beside the chunks; none while every weight is 1
	free    uint32            // places that are not in use, through next
	used    uint32            // places that have ever been in use
	count   int
	weight  int // of all
}

type cell[K comparable, X any] struct {
	key        K
	note       X
	prev, next uint32 // in its row, 0 at the ends; prev is vacant where the place is not in use
}

const (
	chunkSize = 255 // a power of two would not leave the allocator room for its own word
	vacant    = math.MaxUint32
)

func (a *arena[K, X]) at(place uint32) *cell[K, X] {
	place--
	return &a.chunks[place/chunkSize][place%chunkSize]
}

// inUse tells whether there is a key at the place.
func (a *arena[K, X]) inUse(place uint32) bool {
	return place != 0 && place <= a.used && a.at(place).prev != vacant
}

// holds tells whether the key is at the place.
func (a *arena[K, X]) holds(place uint32, key K) bool {
	return a.inUse(place) && a.at(place).key == key
}

// add gives a key a place, which is in no row yet.
func (a *arena[K, X]) add(key K, weight int) uint32 {
	place := a.free
	if place != 0 {
		a.free = a.at(place).next
	} else {
		if int(a.used) == len(a.chunks)*chunkSize {
			a.grow()
		}
		a.used++
		place = a.used
	}
	*a.at(place) = cell[K, X]{key: key}
	a.count++
	a.weight++ // as add leaves it
	a.reweigh(place, weight)
	return place
}

func (a *arena[K, X]) grow() {
	a.chunks = append(a.chunks, new([chunkSize]cell[K, X]))
	if a.weights != nil {
		a.weights = append(a.weights, ones())
	}
}

// remove frees a place that is in use and in no row.
func (a *arena[K, X]) remove(place uint32) {
	a.reweigh(place, 1)
	*a.at(place) = cell[K, X]{prev: vacant, next: a.free}
	a.free = place
	a.count--
	a.weight--
}

func (a *arena[K, X]) weightOf(place uint32) int {
	if a.weights == nil {
		return 1
	}
	place--
	return a.weights[place/chunkSize][place%chunkSize]
}

// reweigh gives a place another weight. A row that it is in has to be told.
func (a *arena[K, X]) reweigh(place uint32, weight int) {
	if a.weights == nil {
		if weight == 1 {
			return
		}
		for range a.chunks {
			a.weights = append(a.weights, ones())
		}
	}
	place--
	w := &a.weights[place/chunkSize][place%chunkSize]
	a.weight += weight - *w
	*w = weight
}

func ones() *[chunkSize]int {
	w := new([chunkSize]int)
	for i := range w {
		w[i] = 1
	}
	return w
}

// row is places of an arena in an order. A place is in one row at a time.
type row struct {
	first, last uint32 // the places at both ends, 0 where it is empty
	weight      int
}

// append puts a place that is in no row at the end of one.
func (a *arena[K, X]) append(r *row, place uint32) {
	c := a.at(place)
	c.prev, c.next = r.last, 0
	if r.last != 0 {
		a.at(r.last).next = place
	} else {
		r.first = place
	}
	r.last = place
	r.weight += a.weightOf(place)
}

// prepend puts a place that is in no row at the front of one.
func (a *arena[K, X]) prepend(r *row, place uint32) {
	c := a.at(place)
	c.prev, c.next = 0, r.first
	if r.first != 0 {
		a.at(r.first).prev = place
	} else {
		r.last = place
	}
	r.first = place
	r.weight += a.weightOf(place)
}

// unlink takes a place out of its row.
func (a *arena[K, X]) unlink(r *row, place uint32) {
	c := a.at(place)
	if c.prev != 0 {
		a.at(c.prev).next = c.next
	} else {
		r.first = c.next
	}
	if c.next != 0 {
		a.at(c.next).prev = c.prev
	} else {
		r.last = c.prev
	}
	r.weight -= a.weightOf(place)
}

// toEnd moves a place to the end of its row.
func (a *arena[K, X]) toEnd(r *row, place uint32) {
	if r.last != place {
		a.unlink(r, place)
		a.append(r, place)
	}
}

// join puts all of a row before another, and leaves it empty.
func (a *arena[K, X]) join(r, before *row) {
	switch {
	case r.first == 0:
		return
	case before.first == 0:
		*before = *r
	default:
		a.at(r.last).next = before.first
		a.at(before.first).prev = r.last
		before.first = r.first
		before.weight += r.weight
	}
	*r = row{}
}
