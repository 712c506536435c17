package eviction

// LIRS keeps the keys that come back soonest, after LIRS (Jiang and Zhang,
// SIGMETRICS 2002): what tells is not when a key was used last but how long it
// was away between its last two uses, and an entry stays while no key comes back
// after a shorter time than the entry has been idle for. New keys come into a
// small window, and a scan or a loop does not get beyond it.
//
// It departs from the paper in three points. Reads are looked at when an entry's
// turn comes, as in CLOCK-Pro, so that a read only leaves the time with the
// entry. The time for which an entry was idle has to be one and a half times as long,
// so that entries don't take turns where everything comes back after about the same
// time. And the window, 1 % in the paper, grows up to 80 % where recency pays.
//
// It follows change more readily than TinyLFU, and keeps a little less where some
// keys are more popular than others for ever. A key costs its own size and 24
// bytes, and 16 more once the cache is full. An entry that is heavier than the window
// is kept only once it has come back, unless there is room.
func LIRS[K comparable](capacity int) Strategy[K] {
	s := new(lirs[K])
	s.init("LIRS", capacity, s)
	return s
}

type lirs[K comparable] struct{ segmented[K] }
