package storage

// ring is the records in the order in which they were written, or spared. Its
// head is no record.
type ring struct {
	head record
}

// spares is how many records that were used are spared until one is put out all
// the same. It bounds what a write costs after everything was read.
const spares = 100

func (g *ring) init() { g.head.before, g.head.behind = &g.head, &g.head }

// add puts a record at the end.
func (g *ring) add(r *record) {
	last := g.head.before
	r.before, r.behind = last, &g.head
	last.behind, g.head.before = r, r
}

func (g *ring) remove(r *record) {
	r.before.behind, r.behind.before = r.behind, r.before
	r.before, r.behind = nil, nil
}

// toEnd makes a record the last to be put out.
func (g *ring) toEnd(r *record) {
	r.used.Store(false)
	g.remove(r)
	g.add(r)
}

// victim is the first record that was not used since it came to its place, but
// for the one given. Those that were used are spared, each for another round.
func (g *ring) victim(but *record) *record {
	for spared := 0; ; spared++ {
		first := g.head.behind
		if first != but && (spared >= spares || !first.used.Load()) {
			return first
		}
		g.toEnd(first)
	}
}
