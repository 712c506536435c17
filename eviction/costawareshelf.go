package eviction

import (
	"math"
	"math/bits"
)

// shelf is rows by price: each is for prices from a power of two to the next.
type shelf struct {
	rows [shelfRows]row
	held uint64 // a bit for each row that is not empty
}

const (
	shelfRows = 64
	// zeroRow is that of the price 1, which is 10 µs for each unit of weight. The
	// last row is for three quarters of an hour and more, the first for weights from
	// 2^35 on of what takes 10 µs.
	zeroRow = 35
)

// rowOfPrice is the number of the row for a price, which is above 0.
func rowOfPrice(price float64) uint8 {
	return uint8(min(shelfRows-1, max(0, zeroRow+math.Ilogb(price))))
}

// settle notes whether a row is empty, which is numbered from 1 on; 0 is none.
func (f *shelf) settle(in uint8) {
	if in == 0 {
		return
	}
	if bit := uint64(1) << (in - 1); f.rows[in-1].first != 0 {
		f.held |= bit
	} else {
		f.held &^= bit
	}
}

// firsts calls a function with the first place of each row that has one, the
// lowest price first.
func (f *shelf) firsts(each func(place uint32)) {
	for held := f.held; held != 0; held &= held - 1 {
		each(f.rows[bits.TrailingZeros64(held)].first)
	}
}
