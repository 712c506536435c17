package resilient

import (
	"sync"

	"github.com/perennial-go/perennial/storage"
)

// feed holds changes until the caller of Watch takes them. A slow caller delays nobody
// else.
type feed struct {
	mu      sync.Mutex
	waiting []storage.Changed
	wake    chan struct{} // has one element while something waits
}

// maxFeed is how many changes wait for a slow caller. If there are more, they are
// replaced by a Missed.
const maxFeed = 1000

func newFeed() *feed { return &feed{wake: make(chan struct{}, 1)} }

func (f *feed) add(c storage.Changed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) == maxFeed {
		f.waiting, c = nil, storage.Changed{Missed: true}
	}
	f.waiting = append(f.waiting, c)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feed) take() []storage.Changed {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.waiting
	f.waiting = nil
	return all
}
