package storagetest

import (
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

// nothingChecks are those of a store that keeps nothing.
var nothingChecks = []bytesCheck{
	{Name: "cachetory15 what is set is not found", run: setIsNotFound},
	{Name: "empty bulks", run: emptyBulks},
}

func setIsNotFound(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	lacks := func() {
		t.Helper()
		s.lacks(t, key)
		s.delete(t, key, false)
	}
	lacks()
	s.set(t, key, "1", storage.Forever)
	lacks()
	s.set(t, key, "1", 0)
	lacks()
	if s.can(Adder) {
		s.add(t, key, "1", long, true)
		s.add(t, key, "1", long, true)
		lacks()
	}
	if s.can(Bulk) {
		s.setMany(t, storage.Item{Key: key, Value: []byte("1"), Keep: long})
		for _, r := range s.getMany(t, []string{key, key}) {
			s.none(t, "GetMany", key, r)
		}
		s.deletesMany(t, []string{key, key}, false, false)
	}
	if s.can(Toucher) {
		s.touch(t, long, []string{key, key}, false, false)
	}
	if s.can(Lister) {
		s.lists(t, "")
		s.clear(t, "")
	}
}
