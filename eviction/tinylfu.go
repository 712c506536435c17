package eviction

// TinyLFU is W-TinyLFU (Einziger, Friedman and Manes, ACM Transactions on Storage
// 2017): new keys come into a window, and what leaves it enters the main part
// only if it was used more often than what would have to go for it. The main part
// is a segmented LRU: four fifths of it are for entries that were read while they
// were on probation.
//
// It departs from the paper in four points. How often a key was used is kept with
// the entry and, for three times as many keys as there are entries, after it is
// gone, instead of in a sketch, so it is exact up to 15. Counts do not age:
// instead a key that comes back is admitted, whatever the counts say, if the main
// part's next victim has been idle for more than one and a half times as long as the
// key was away, nearly as in LIRS, or if a protected entry has been for three times
// as long. The lead has to be two. And the window finds its size (1 % to 80 %) from
// each key that comes back and each entry that is read at the ends of the rows,
// instead of by trying out another size for a while.
//
// It does well where some keys are more popular than others, and holds out against
// scans and loops. A key costs its own size and 24 bytes, and 16 more once the cache is
// full.
//
// An entry that is heavier than the window is judged as soon as it comes in, as if it
// left the window at that moment, and nothing else leaves the window for it. Where
// there is room it is kept. Where there is none it is kept from its second or third
// load on, because what is known of it then speaks for it, and the first one is
// released at once.
func TinyLFU[K comparable](capacity int) Strategy[K] {
	s := new(tinyLFU[K])
	s.init("TinyLFU", capacity, s)
	s.time.most, s.protects, s.frequency = mostReadsMarked, mostProtected, true
	return s
}

type tinyLFU[K comparable] struct{ segmented[K] }
