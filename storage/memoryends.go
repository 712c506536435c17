package storage

import "container/heap"

// ends is a heap of the records that have an end, the nearest first.
type ends []*record

// nowhere is the place of a record that has none.
const nowhere = -1

// over is when a record is to be looked at: at its value's end, and once more
// when no claim is good any longer.
func (r *record) over() int64 {
	if r.has {
		return r.end
	}
	return r.claimed
}

// put finds the place of a record that is new or has another end.
func (e *ends) put(r *record) {
	switch {
	case r.over() == never:
		e.remove(r)
	case r.place == nowhere:
		heap.Push(e, r)
	default:
		heap.Fix(e, r.place)
	}
}

func (e *ends) remove(r *record) {
	if r.place != nowhere {
		heap.Remove(e, r.place)
	}
}

// nearest is the first end, or never.
func (e ends) nearest() int64 {
	if len(e) == 0 {
		return never
	}
	return e[0].over()
}

// What container/heap calls.

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].over() < e[j].over() }

func (e ends) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].place, e[j].place = i, j
}

func (e *ends) Push(r any) {
	r.(*record).place = len(*e)
	*e = append(*e, r.(*record))
}

func (e *ends) Pop() any {
	last := len(*e) - 1
	r := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	r.place = nowhere
	return r
}
