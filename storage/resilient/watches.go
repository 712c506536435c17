package resilient

import (
	"context"
	"strings"
)

// watches are the Watches of a Store. Guarded by core.mu.
type watches struct {
	running    map[*watch]struct{}
	wanted     map[string]int // how many Watches there are of each prefix, also while they can't run
	generation uint64         // moves when changes may have gone unseen: copies of an earlier one may be out of date
}

// watch is a watch of the backend that runs.
type watch struct {
	prefix string
	sees   bool // every change, since its last Missed
	stop   context.CancelFunc
}

// watched reports whether every change of the key is seen.
func (w *watches) watched(key string) bool {
	for one := range w.running {
		if one.sees && strings.HasPrefix(key, one.prefix) {
			return true
		}
	}
	return false
}

// unwant notes that a Watch of the prefix has ended.
func (w *watches) unwant(prefix string) {
	if w.wanted[prefix]--; w.wanted[prefix] == 0 {
		delete(w.wanted, prefix)
	}
}

// wants reports whether there is a Watch of the key.
func (w *watches) wants(key string) bool {
	for prefix := range w.wanted {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// stop ends all watches of the backend, for changes may go unseen: it has gone away, or
// is back. A watch that begins afterwards begins with a Missed.
func (w *watches) stop() {
	for one := range w.running {
		one.stop()
		delete(w.running, one)
	}
}
