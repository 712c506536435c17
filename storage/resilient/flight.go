package resilient

import (
	"time"

	"github.com/perennial-go/perennial/storage"
)

// flight is a change that is sent and not answered yet. What a watch tells of its
// key meanwhile is most often the change itself, and then its record is current.
type flight struct {
	trust uint64
	heard bool
	last  string // the version that was told of last
}

// takesOff is called with the Store's lock held, as all here. A key has one change
// at a time on its way.
func (s *Store) takesOff(key string) *flight {
	f := &flight{trust: s.trust}
	s.flights[key] = f
	return f
}

func (s *Store) lands(key string, f *flight) {
	if s.flights[key] == f {
		delete(s.flights, key)
	}
}

// keep keeps a copy of what the store has acknowledged. It is current if nothing
// else came after it; without a flight nobody knows.
func (s *Store) keep(c storage.Change, end time.Time, f *flight) {
	mine := &copied{key: c.Key, value: c.Value, found: c.Keep > 0, end: end, is: []string{versionOf(c)}, own: true}
	if !mine.found {
		mine.end = time.Time{}
	}
	if was := s.copies.get(c.Key); was != nil && was.own {
		mine.replaced = was.replaced[max(0, len(was.replaced)-maxVersions+1):]
	}
	if c.Was != "" {
		mine.replaced = append(mine.replaced[:len(mine.replaced):len(mine.replaced)], c.Was)
	}
	if f != nil && f.trust == s.trust && s.watched(c.Key) && (!f.heard || f.last == mine.is[0]) {
		mine.trusted = s.trust
	}
	mine.told = f != nil && f.heard && f.last == mine.is[0]
	*s.epoch(c.Key)++
	delete(s.lost, c.Key)
	s.copies.put(mine)
}
