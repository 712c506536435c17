package storagetest

import (
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

// claimTimeChecks are those of claims and records that end.
var claimTimeChecks = []bytesCheck{
	{Name: "a fill after the hold is refused", needs: Fenced, when: keepsTimes, waits: true, run: fillAfterHold},
	{Name: "a claim never lengthens a record's time", needs: Fenced, when: keepsTimes, waits: true, run: claimLengthensNothing},
	{Name: "a claim outlives the record", needs: Fenced, when: keepsTimes, waits: true, run: claimOutlivesRecord},
	{Name: "a filled record has the time of its fill", needs: Fenced, when: keepsTimes, waits: true, run: fillHasItsTime},
	{Name: "a claim with a long hold outlives a short one", needs: Fenced, when: keepsTimes, waits: true, run: longHold},
	{Name: "holds of years", needs: Fenced, run: longHolds},
}

func fillAfterHold(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("record"), "old", long)
	s.set(t, s.key("eternal"), "old", storage.Forever)
	nothing, record, eternal := s.claim(t, s.key("nothing"), s.life()), s.claim(t, s.key("record"), s.life()), s.claim(t, s.key("eternal"), s.life())
	s.passLife()
	s.fill(t, s.key("nothing"), "late", nothing, false)
	s.fill(t, s.key("record"), "late", record, false)
	s.fill(t, s.key("eternal"), "late", eternal, false)
	s.lacks(t, s.key("nothing"))
	s.holds(t, s.key("record"), "old")
	s.holds(t, s.key("eternal"), "old")
	s.left(t, "Get", s.key("eternal"), s.get(t, s.key("eternal")), storage.Forever)
	fresh := s.claim(t, s.key("nothing"), long)
	s.fill(t, s.key("nothing"), "late", nothing, false)
	s.fill(t, s.key("nothing"), "filled", fresh, true)
	s.holds(t, s.key("nothing"), "filled")
}

func claimLengthensNothing(t checks.TB, s *bytesSubject) {
	for _, key := range s.keys("foo", "bar") {
		s.set(t, key, "old", s.life())
		s.claim(t, key, long)
	}
	s.passLife()
	s.lacks(t, s.key("foo"))
	s.delete(t, s.key("foo"), false)
	if s.can(Adder) {
		s.add(t, s.key("bar"), "new", long, true)
		s.holds(t, s.key("bar"), "new")
	}
}

func longHolds(t checks.TB, s *bytesSubject) {
	for _, hold := range []time.Duration{storage.Forever / 2, storage.Forever - time.Second, storage.Forever - 1, storage.Forever} {
		for _, key := range s.keys("nothing", "record") {
			s.fill(t, key, "filled", s.claim(t, key, hold), true)
			s.holds(t, key, "filled")
			s.left(t, "Get", key, s.get(t, key), long)
		}
		s.set(t, s.key("record"), "set", long)
		s.delete(t, s.key("nothing"), true)
	}
}

func claimOutlivesRecord(t checks.TB, s *bytesSubject) {
	filled, claimed, deleted := s.key("foo"), s.key("bar"), s.key("baz")
	claims := map[string]storage.Claimed{}
	for _, key := range []string{filled, claimed, deleted} {
		s.set(t, key, "old", s.life())
		claims[key] = s.claim(t, key, long)
	}
	s.passLife()
	s.fill(t, filled, "filled", claims[filled], true)
	s.holds(t, filled, "filled")
	s.left(t, "Get", filled, s.get(t, filled), long)
	s.lacks(t, claimed)
	s.none(t, "Claim", claimed, s.claim(t, claimed, long).Record)
	s.fill(t, claimed, "filled", claims[claimed], true)
	s.delete(t, deleted, false) // what is over is deleted all the same
	s.fill(t, deleted, "late", claims[deleted], false)
	s.lacks(t, deleted)
}

func fillHasItsTime(t checks.TB, s *bytesSubject) {
	key, stays := s.key("foo"), s.key("bar")
	s.fillFor(t, key, "filled", s.life(), s.claim(t, key, long), true)
	s.set(t, stays, "old", s.life())
	s.fillFor(t, stays, "filled", long, s.claim(t, stays, 2*long), true)
	s.passLife()
	s.lacks(t, key)
	s.holds(t, stays, "filled")
}

func longHold(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	patient := s.claim(t, key, long)
	brief := s.claim(t, key, s.life())
	s.passLife()
	s.fill(t, key, "late", brief, false)
	s.fill(t, key, "filled", patient, true)
	s.holds(t, key, "filled")
}
