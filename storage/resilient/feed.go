package resilient

import (
	"sync"

	"github.com/perennial-go/perennial/storage"
)

// feed is what a watch has to tell, until who watches takes it: whoever does that
// slowly holds up nobody but itself.
type feed struct {
	mu      sync.Mutex
	waiting []storage.Changed
	wake    chan struct{} // has one in it while something waits
}

// feedMost is how many changes wait for who is slow. Past that it has missed some.
const feedMost = 1000

func newFeed() *feed { return &feed{wake: make(chan struct{}, 1)} }

func (f *feed) add(c storage.Changed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) == feedMost {
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
