package eviction

import "math"

// order is keys in a row, each at a place that does not change while it is in
// it. Keys need not be looked up: their places are kept with their entries. It
// is not safe for concurrent use.
//
// The links lie in chunks, so that a row grows without being copied, and costs
// the key and eight bytes each.
type order[K comparable] struct {
	chunks []*[chunkSize]link[K]
	first  uint32 // the places at both ends, 0 where it is empty
	last   uint32
	free   uint32 // places that are not in use, through next
	used   uint32 // places that have ever been in use
	length int
}

type link[K comparable] struct {
	key        K
	prev, next uint32 // 0 at the ends; prev is unlinked where the place is free
}

const (
	chunkSize = 256
	unlinked  = math.MaxUint32
)

func (o *order[K]) at(place uint32) *link[K] {
	place--
	return &o.chunks[place/chunkSize][place%chunkSize]
}

// holds tells whether the key is at the place.
func (o *order[K]) holds(place uint32, key K) bool {
	if place == 0 || place > o.used {
		return false
	}
	l := o.at(place)
	return l.prev != unlinked && l.key == key
}

// add puts a key at the end and returns its place.
func (o *order[K]) add(key K) uint32 {
	place := o.free
	if place != 0 {
		o.free = o.at(place).next
	} else {
		if int(o.used) == len(o.chunks)*chunkSize {
			o.chunks = append(o.chunks, new([chunkSize]link[K]))
		}
		o.used++
		place = o.used
	}
	o.at(place).key = key
	o.append(place)
	o.length++
	return place
}

// toEnd moves a place that is in use to the end.
func (o *order[K]) toEnd(place uint32) {
	if o.last != place {
		o.unlink(place)
		o.append(place)
	}
}

// remove frees a place that is in use.
func (o *order[K]) remove(place uint32) {
	o.unlink(place)
	*o.at(place) = link[K]{prev: unlinked, next: o.free}
	o.free = place
	o.length--
}

// takeFirst frees the first place and returns its key. There is one.
func (o *order[K]) takeFirst() K {
	key := o.at(o.first).key
	o.remove(o.first)
	return key
}

func (o *order[K]) append(place uint32) {
	l := o.at(place)
	l.prev, l.next = o.last, 0
	if o.last != 0 {
		o.at(o.last).next = place
	} else {
		o.first = place
	}
	o.last = place
}

func (o *order[K]) unlink(place uint32) {
	l := o.at(place)
	if l.prev != 0 {
		o.at(l.prev).next = l.next
	} else {
		o.first = l.next
	}
	if l.next != 0 {
		o.at(l.next).prev = l.prev
	} else {
		o.last = l.prev
	}
}
