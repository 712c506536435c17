package resilient

import "github.com/perennial-go/perennial/storage"

// inFlight is a change that is sent and not answered yet. What a watch tells of its key
// meanwhile is most often the change itself, and then the record is current. Guarded by
// core.mu.
type inFlight struct {
	watches  uint64 // the generation of the watches when it was sent
	version  string // that the change makes
	notified bool   // a watch has told of the key
	seen     bool   // a watch has told of this version
	last     string // the version that a watch told of last
}

// begin notes that a change is sent. A key has one change in flight at a time.
func (m *mirror) begin(c storage.Change) *inFlight {
	f := &inFlight{watches: m.watches.generation, version: versionAfter(c)}
	m.inFlight[c.Key] = f
	return f
}

// end notes that a change is in flight no longer.
func (m *mirror) end(key string, f *inFlight) {
	if m.inFlight[key] == f {
		delete(m.inFlight, key)
	}
}
