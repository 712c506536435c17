package evictiontest

import (
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/checks"
)

var keys = []string{"a", "b", "c", "d", "e", "f"}

// fails checks that the suite finds a broken strategy out, by the check that is
// meant for it.
func fails(t *testing.T, check string, broken func() eviction.Strategy[string]) {
	t.Helper()
	failed := checks.Failed(suite[string](), check, func() subject[string] { return subject[string]{broken, keys} })
	if len(failed) == 0 {
		t.Errorf("the check %q does not fail", check)
	}
}

// Each broken strategy is the default one with one thing wrong.

type base struct{ eviction.Strategy[string] }

func lru() base { return base{eviction.LeastRecentlyUpdated[string](3)} }

type forgetsReleases struct{ base }

func (forgetsReleases) MarkReleased(string, *entry.Meta) {}

type namesForEver struct {
	base
	last *string
}

func (s namesForEver) NextToRelease() (string, bool) {
	if key, ok := s.base.NextToRelease(); ok {
		*s.last = key
	}
	return *s.last, *s.last != ""
}

type namesReads struct{ base }

func (s namesReads) MarkRead(key string) { s.MarkWritten(key, new(entry.Meta), nil) }

type readsCount struct {
	base
	last map[string]*entry.Meta
}

func (s readsCount) MarkRead(key string) {
	s.base.MarkWritten(key, s.last[key], s.last[key])
}
func (s readsCount) MarkWritten(key string, e, old *entry.Meta) {
	s.base.MarkWritten(key, e, old)
	s.last[key] = e
}
func (readsCount) IgnoresReads() {}

type neverNames struct{ base }

func (neverNames) NextToRelease() (string, bool) { return "", false }
func (neverNames) Capacity() int                 { return 3 }

type eager struct{ base }

func (eager) Capacity() int { return 5 }

type resetsNothing struct{ base }

func (resetsNothing) Reset() {}

type namesZero struct{ base }

func (namesZero) NextToRelease() (string, bool) { return "", true }

type releasesOnce struct {
	base
	seen map[string]bool
}

func (s releasesOnce) MarkReleased(key string, old *entry.Meta) {
	if !s.seen[key] {
		s.base.MarkReleased(key, old)
	}
	s.seen[key] = true
}

type revives struct {
	base
	last *string
}

func (s revives) MarkWritten(key string, e, old *entry.Meta) {
	*s.last = key
	s.base.MarkWritten(key, e, old)
}
func (s revives) Mark(e *entry.Meta) {
	for _, key := range append(keys, *s.last) {
		s.base.MarkWritten(key, e, nil)
	}
}

// forgetful does not look where it is told that a key is.
type forgetful struct{ base }

func (s forgetful) MarkWritten(key string, e, _ *entry.Meta) { s.base.MarkWritten(key, e, nil) }

// whole is the default strategy with all that it implements besides.
type whole interface {
	eviction.Strategy[string]
	eviction.Bounded
	eviction.Resizer
	eviction.Weigher[string]
	eviction.Over[string]
	eviction.Clocked
}

func wholeLRU() whole { return eviction.LeastRecentlyUpdated[string](3).(whole) }

type revivesOne struct{ base }

func (s revivesOne) Mark(*entry.Meta) { s.MarkWritten("a", new(entry.Meta), nil) }

type namesNoVictims struct{ whole }

func (namesNoVictims) Victims(int) []string { return nil }

type namesAllVictims struct{ whole }

func (s namesAllVictims) Victims(int) []string { return s.whole.Victims(1000) }

type staysAsItIs struct{ whole }

func (staysAsItIs) SetCapacity(int) {}

type weighsNothing struct{ whole }

func (s weighsNothing) MarkWeighed(key string, e, old *entry.Meta, _ int) {
	s.MarkWritten(key, e, old)
}

type makesRoom struct{ whole }

func (s makesRoom) MarkWeighed(key string, e, old *entry.Meta, weight int) {
	s.whole.MarkWeighed(key, e, old, min(weight, s.Capacity()))
}

type stopsTheClock struct {
	whole
	clock *bool
}

func (s stopsTheClock) SetClock(func() entry.Instant) { *s.clock = true }
func (s stopsTheClock) NextToRelease() (string, bool) {
	if *s.clock {
		return "", false
	}
	return s.whole.NextToRelease()
}

func TestSuiteFindsBrokenStrategies(t *testing.T) {
	for check, broken := range map[string]func() eviction.Strategy[string]{
		"a new strategy names nothing":                          func() eviction.Strategy[string] { return namesZero{lru()} },
		"a released key is not named":                           func() eviction.Strategy[string] { return forgetsReleases{lru()} },
		"a key is named at most once until it is written again": func() eviction.Strategy[string] { return namesForEver{lru(), new(string)} },
		"only keys that were written are named":                 func() eviction.Strategy[string] { return namesReads{lru()} },
		"the last mark of a key counts":                         func() eviction.Strategy[string] { return releasesOnce{lru(), map[string]bool{}} },
		"marks of unknown keys do nothing":                      func() eviction.Strategy[string] { return namesReads{base{forgetsReleases{lru()}}} },
		"Blind strategies do not look at reads":                 func() eviction.Strategy[string] { return readsCount{lru(), map[string]*entry.Meta{}} },
		"Bounded keeps to its capacity":                         func() eviction.Strategy[string] { return neverNames{lru()} },
		"Resetter forgets every key":                            func() eviction.Strategy[string] { return resetsNothing{lru()} },
		"Marker takes marks of any entry":                       func() eviction.Strategy[string] { return revives{lru(), new(string)} },
		"a place that another strategy has left does no harm":   func() eviction.Strategy[string] { return forgetful{lru()} },
		"concurrent use":                                        func() eviction.Strategy[string] { return namesZero{lru()} },

		"Marker is marked while keys are written":                   func() eviction.Strategy[string] { return revivesOne{lru()} },
		"Bounded keeps to its capacity while many write":            func() eviction.Strategy[string] { return neverNames{lru()} },
		"Over names what is over at once":                           func() eviction.Strategy[string] { return namesNoVictims{wholeLRU()} },
		"Resizer keeps to its capacity of the moment":               func() eviction.Strategy[string] { return staysAsItIs{wholeLRU()} },
		"Weigher keeps to its capacity by weight":                   func() eviction.Strategy[string] { return weighsNothing{wholeLRU()} },
		"Weigher releases what is too heavy, and nothing for it":    func() eviction.Strategy[string] { return makesRoom{wholeLRU()} },
		"Clocked keeps to its capacity when everything has expired": func() eviction.Strategy[string] { return stopsTheClock{wholeLRU(), new(bool)} },
	} {
		t.Run(check, func(t *testing.T) { fails(t, check, broken) })
	}
	t.Run("names more than is asked for", func(t *testing.T) {
		fails(t, "Over names what is over at once", func() eviction.Strategy[string] { return namesAllVictims{wholeLRU()} })
	})
	t.Run("names below its capacity", func(t *testing.T) {
		fails(t, "Bounded keeps to its capacity", func() eviction.Strategy[string] { return eager{lru()} })
	})
}

// A strategy that does nothing wrong passes every check.
func TestSuitePassesASoundStrategy(t *testing.T) {
	for name, sound := range map[string]func() eviction.Strategy[string]{
		"none": eviction.None[string],
		"lru":  func() eviction.Strategy[string] { return eviction.LeastRecentlyUpdated[string](3) },
		"lirs": func() eviction.Strategy[string] { return eviction.LIRS[string](3) },
	} {
		if failed := checks.Failed(suite[string](), "", func() subject[string] { return subject[string]{sound, keys} }); len(failed) > 0 {
			t.Errorf("%s: %v", name, failed)
		}
	}
}
