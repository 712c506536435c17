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
	} {
		t.Run(check, func(t *testing.T) { fails(t, check, broken) })
	}
	t.Run("names below its capacity", func(t *testing.T) {
		fails(t, "Bounded keeps to its capacity", func() eviction.Strategy[string] { return eager{lru()} })
	})
}

// A strategy that does nothing wrong passes every check.
func TestSuitePassesASoundStrategy(t *testing.T) {
	for name, sound := range map[string]func() eviction.Strategy[string]{
		"none": eviction.None[string],
		"lru":  func() eviction.Strategy[string] { return eviction.LeastRecentlyUpdated[string](3) },
	} {
		if failed := checks.Failed(suite[string](), "", func() subject[string] { return subject[string]{sound, keys} }); len(failed) > 0 {
			t.Errorf("%s: %v", name, failed)
		}
	}
}
