package runs

// growStack makes the stack of a new goroutine as large as most runs need, while there
// is hardly anything on it. A stack begins with 2 KiB, of which a frame may use half;
// growing it copies it, and takes the longer the more calls are on it: in the middle of
// a load that was a third of what a load costs.
//
//go:noinline
func growStack(at int) byte {
	var room [1536]byte
	return room[at]
}
