package resilient

import (
	"time"

	"github.com/perennial-go/perennial/storage"
)

// flight is a change that is sent and not answered yet. What a watch tells of its
// key meanwhile is most often the change itself, and then its record is current.
type flight struct {
	trust uint64
	makes string // the version
	heard bool   // something was told of
	own   bool   // that version was
	last  string // the version that was told of last
}

// takesOff is called with the Store's lock held, as all here. A key has one change
// at a time on its way.
func (s *Store) takesOff(c storage.Change) *flight {
	f := &flight{trust: s.trust, makes: versionOf(c)}
	s.flights[c.Key] = f
	return f
}

func (s *Store) lands(key string, f *flight) {
	if s.flights[key] == f {
		delete(s.flights, key)
	}
}

// hears is called where a watch tells of the key.
func (f *flight) hears(version string) {
	f.heard, f.last = true, version
	f.own = f.own || version == f.makes
}

// keep keeps a copy of what the store has acknowledged. It is current if nothing
// else came after it. Where the change was sent before, it may have been made long
// ago, and that nothing was told of meanwhile says nothing. What it was made again
// for, if anything, it takes the place of.
func (s *Store) keep(c storage.Change, end time.Time, f *flight, before bool, again *rewrite) *copied {
	mine := &copied{key: c.Key, value: c.Value, found: c.Keep > 0, end: end, is: []string{f.makes}, own: !f.own || f.last == f.makes, made: c.Keep > 0}
	if !mine.found {
		mine.end = time.Time{}
	}
	was := s.copies.get(c.Key)
	if again != nil {
		was = again.copied
	}
	if was != nil && was.own {
		mine.replaced = was.replaced
		if again != nil && again.is[0] != f.makes {
			mine.replaced = withVersion(mine.replaced, again.is[0])
		}
	}
	mine.replaced = withVersion(mine.replaced, c.Was)
	if f.trust == s.trust && s.watched(c.Key) && (f.heard && f.last == f.makes || !f.heard && !before) {
		mine.trusted, mine.since = s.trust, s.clock.Now()
	}
	if f.heard && f.last == f.makes {
		mine.state = s.state
	}
	s.unsure = s.unsure || mine.trusted == 0
	*s.epoch(c.Key)++
	s.putCopy(mine)
	return mine
}

// withVersion is the last versions and one more, unless it is none.
func withVersion(last []string, one string) []string {
	if one == "" {
		return last
	}
	last = last[max(0, len(last)-maxVersions+1):]
	return append(last[:len(last):len(last)], one)
}
