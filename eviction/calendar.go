package eviction

// calendar is rows of places by a number, of which the lowest go first: a time
// or a count. Numbers come in from the lowest on, and lie days apart at most;
// where they would not, the lowest rows are joined. They may wrap.
type calendar[K comparable] struct {
	keys *arena[K, note] // their numbers are noted as used
	rows [days]row
	low  uint32
}

const days = 128

// row is that of a number. What was noted before rows were joined counts as the
// lowest.
func (c *calendar[K]) row(number uint32) *row {
	if before(number, c.low) {
		number = c.low
	}
	return &c.rows[number%days]
}

// before compares numbers that may wrap.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// add puts a place that is in no row at the end of the number's, or of the lowest
// row.
func (c *calendar[K]) add(place, number uint32) {
	for !before(number, c.low+days) {
		lowest := c.row(c.low)
		c.low++
		c.keys.join(lowest, c.row(c.low))
	}
	c.keys.at(place).note.used = number
	c.keys.append(c.row(number), place)
}

func (c *calendar[K]) rowOf(place uint32) *row { return c.row(c.keys.at(place).note.used) }

func (c *calendar[K]) drop(place uint32) { c.keys.unlink(c.rowOf(place), place) }

// first is the place that has been longest in the lowest row. There is one.
func (c *calendar[K]) first() uint32 {
	for c.row(c.low).first == 0 {
		c.low++
	}
	return c.row(c.low).first
}

func (c *calendar[K]) clear() { c.rows = [days]row{} }
