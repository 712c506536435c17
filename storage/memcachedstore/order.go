package memcachedstore

import "math/rand/v2"

// order is in which order the claims to a record were made, in the 32 bits of
// memcached's flags: claims are numbered, and a fill is refused where the value of a
// later claim is there. A store of the version before leaves zero there with whatever
// it writes, a claim too: then numbers begin anew, in another epoch, for it is not
// known whose value is there. They do as well where there are too many claims of one
// generation. Claims of other epochs are older than all of this one.
type order struct {
	epoch  uint32 // 12 bits; 0 where nothing is known
	claims uint32 // 10 bits: how many there are
	filled uint32 // 10 bits: the number of the claim whose value is there, 0 where that is not known
}

const (
	epochs    = 1 << 12
	maxClaims = 1<<10 - 1
)

func orderOf(flags uint32) order {
	return order{flags >> 20, flags >> 10 & maxClaims, flags & maxClaims}
}

func (o order) flags() uint32 { return o.epoch<<20 | o.claims<<10 | o.filled }

// claimed is the order after one claim more, whose number is that of its claims.
func (o order) claimed() order {
	switch {
	case o.epoch == 0:
		return order{1 + rand.Uint32N(epochs-1), 1, 0}
	case o.claims == maxClaims:
		return order{o.epoch%(epochs-1) + 1, 1, 0}
	}
	o.claims++
	return o
}

// fills is the order after a claim was filled, that is after the claim, or was with
// what it had found; ok is false where there is the value of a later claim.
func (o order) fills(claim order, touch bool) (after order, ok bool) {
	number := claim.claims
	switch {
	case claim.epoch != o.epoch:
		number = 0
	case touch:
		number = claim.filled
	}
	ok = number >= o.filled
	o.filled = number
	return o, ok
}
