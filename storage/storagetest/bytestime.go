package storagetest

import (
	"errors"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var timeChecks = []bytesCheck{
	{Name: "cachetory10TimeToLive", when: keepsTimes, waits: true, run: timeToLive},
	{Name: "cachetory12ExpireIn", needs: Toucher, when: keepsTimes, waits: true, run: expireIn},
	{Name: "a record is gone at the instant of its end", when: keepsTimes | exactly, waits: true, run: goneAtItsEnd},
	{Name: "it tells what is left", run: tellsWhatIsLeft},
	{Name: "what is left grows less", when: tellsLeft, waits: true, run: leftGrowsLess},
	{Name: "times of months and years", run: longTimes},
	{Name: "a time too short to tell apart is rounded up", when: keepsTimes, waits: true, run: shortTimes},
	{Name: "Forever has no end", when: keepsTimes, waits: true, run: foreverStays},
	{Name: "a Set replaces the time too", when: keepsTimes, waits: true, run: setReplacesTime},
	{Name: "an expired record does not keep an Add out", needs: Adder, when: keepsTimes, waits: true, run: addOverExpired},
	{Name: "an Add that is kept out leaves the time", needs: Adder, when: keepsTimes, waits: true, run: addLeavesTime},
	{Name: "to delete an expired record says that there was none", when: keepsTimes, waits: true, run: deleteExpired},
	{Name: "a touch does not revive", needs: Toucher, when: keepsTimes, waits: true, run: touchRevivesNothing},
	{Name: "Keys does not yield what is expired", needs: Lister, when: keepsTimes, waits: true, run: keysYieldsNoExpired},
	{Name: "bulks keep times", needs: Bulk, when: keepsTimes, waits: true, run: bulksKeepTimes},
}

func timeToLive(t checks.TB, s *bytesSubject) {
	began := time.Now()
	s.set(t, s.key("foo"), "1", s.life())
	s.set(t, s.key("empty"), "", s.life())
	s.set(t, s.key("stays"), "2", long)
	s.holdsYoung(t, began, s.key("foo"), "1")
	s.holdsYoung(t, began, s.key("empty"), "")
	s.passLife()
	s.lacks(t, s.key("foo"))
	s.lacks(t, s.key("empty"))
	s.holds(t, s.key("stays"), "2")
	s.set(t, s.key("foo"), "3", long)
	s.holds(t, s.key("foo"), "3")
}

func expireIn(t checks.TB, s *bytesSubject) {
	began := time.Now()
	s.set(t, s.key("longer"), "3", s.life())
	s.set(t, s.key("freed"), "4", s.life())
	_, err1 := s.toucher().Touch(s.ctx, long, s.key("longer"))
	_, err2 := s.toucher().Touch(s.ctx, storage.Forever, s.key("freed"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatalf("Touch: %v", err)
	}
	if !s.young(began) {
		return // they may have been over
	}
	s.set(t, s.key("foo"), "1", long)
	s.set(t, s.key("eternal"), "2", storage.Forever)
	began = time.Now()
	s.touch(t, s.life(), s.keys("foo", "eternal"), true, true)
	s.holdsYoung(t, began, s.key("foo"), "1")
	s.holdsYoung(t, began, s.key("eternal"), "2")
	s.passLife()
	s.lacks(t, s.key("foo"))
	s.lacks(t, s.key("eternal"))
	s.holds(t, s.key("longer"), "3")
	s.holds(t, s.key("freed"), "4")
}

func goneAtItsEnd(t checks.TB, s *bytesSubject) {
	keys := s.keys("a", "b")
	for _, key := range keys {
		s.set(t, key, "1", s.life())
	}
	s.Advance(s.life() - s.Resolution)
	for _, key := range keys {
		s.holds(t, key, "1")
		s.left(t, "Get", key, s.get(t, key), s.Resolution)
	}
	s.Advance(s.Resolution)
	for _, key := range keys {
		s.lacks(t, key)
	}
}

func tellsWhatIsLeft(t checks.TB, s *bytesSubject) {
	for _, keep := range []time.Duration{10 * time.Minute, long, 30 * time.Hour, storage.Forever} {
		key := s.key(keep.String())
		s.set(t, key, "1", keep)
		s.left(t, "Get", key, s.get(t, key), keep)
		if s.can(Bulk) {
			s.left(t, "GetMany", key, s.getMany(t, []string{key})[0], keep)
		}
		if s.can(Fenced) {
			s.left(t, "Claim", key, s.claim(t, key, long).Record, keep)
		}
		if s.can(Adder) {
			key := s.key("added " + keep.String())
			s.add(t, key, "1", keep, true)
			s.left(t, "Get after Add", key, s.get(t, key), keep)
		}
		if s.can(Fenced) {
			key := s.key("filled " + keep.String())
			s.fillFor(t, key, "1", keep, s.claim(t, key, long), true)
			s.left(t, "Get after Fill", key, s.get(t, key), keep)
		}
	}
}

func leftGrowsLess(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	s.set(t, key, "1", 10*s.life())
	before := s.get(t, key).Left
	s.Advance(s.life())
	r := s.get(t, key)
	if !r.Found {
		return // where time passes by itself, it may have
	}
	passed := before - r.Left
	if s.Exact && passed != s.life() || passed < s.life()-s.Resolution {
		t.Errorf("after %v there is %v less left", s.life(), passed)
	}
}

// longTimes has those that memcached takes for a date, and those that overflow
// when they are added to a date, or counted in another unit.
func longTimes(t checks.TB, s *bytesSubject) {
	const day = 24 * time.Hour
	for _, keep := range []time.Duration{29 * day, 30 * day, 30*day + time.Second, 31 * day, 60 * day, 1000 * day, 10_000 * day} {
		key := s.key(keep.String())
		s.set(t, key, "1", keep)
		s.holds(t, key, "1")
		s.left(t, "Get", key, s.get(t, key), keep)
	}
	for _, keep := range []time.Duration{storage.Forever / 2, storage.Forever - time.Second, storage.Forever - 1} {
		key := s.key(keep.String())
		s.set(t, key, "1", keep)
		r := s.get(t, key)
		if !r.Found || r.Left < 0 || r.Left > 0 && r.Left < 10_000*day {
			t.Errorf("a record that is set for %v is found %v, with %v left", keep, r.Found, r.Left)
		}
		if s.can(Toucher) {
			s.touch(t, keep, []string{key}, true)
			s.holds(t, key, "1")
		}
	}
}

func shortTimes(t checks.TB, s *bytesSubject) {
	short := max(1, s.Resolution/3)
	keys := s.keys("set", "had an end", "had none")
	s.set(t, keys[1], "0", long)
	s.set(t, keys[2], "0", storage.Forever)
	for _, key := range keys {
		s.set(t, key, "1", short)
	}
	if s.can(Adder) {
		key := s.key("added")
		s.add(t, key, "1", short, true)
		keys = append(keys, key)
	}
	if s.can(Toucher) {
		key := s.key("touched")
		s.set(t, key, "1", storage.Forever)
		s.touch(t, short, []string{key}, true)
		keys = append(keys, key)
	}
	if s.can(Bulk) {
		key := s.key("of a bulk")
		s.setMany(t, storage.Item{Key: key, Value: []byte("1"), Keep: short})
		keys = append(keys, key)
	}
	if s.can(Fenced) {
		key := s.key("filled")
		s.fillFor(t, key, "1", short, s.claim(t, key, long), true)
		keys = append(keys, key)
	}
	if s.Exact {
		for _, key := range keys {
			s.holds(t, key, "1")
			s.left(t, "Get", key, s.get(t, key), short)
		}
	}
	s.passLife()
	for _, key := range keys {
		s.lacks(t, key)
	}
}

func foreverStays(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	s.set(t, key, "1", storage.Forever)
	s.passLife()
	if s.Exact {
		s.Advance(100 * 365 * 24 * time.Hour)
	}
	s.holds(t, key, "1")
	s.left(t, "Get", key, s.get(t, key), storage.Forever)
}

func setReplacesTime(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("freed"), "1", s.life())
	s.set(t, s.key("freed"), "2", storage.Forever)
	s.set(t, s.key("longer"), "1", s.life())
	s.set(t, s.key("longer"), "2", long)
	s.set(t, s.key("shorter"), "1", long)
	s.set(t, s.key("shorter"), "2", s.life())
	s.set(t, s.key("ended"), "1", storage.Forever)
	s.set(t, s.key("ended"), "2", s.life())
	s.left(t, "Get", s.key("freed"), s.get(t, s.key("freed")), storage.Forever)
	s.left(t, "Get", s.key("longer"), s.get(t, s.key("longer")), long)
	s.passLife()
	s.holds(t, s.key("freed"), "2")
	s.holds(t, s.key("longer"), "2")
	s.lacks(t, s.key("shorter"))
	s.lacks(t, s.key("ended"))
}

func addOverExpired(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	s.set(t, key, "old", s.life())
	s.passLife()
	s.add(t, key, "new", long, true)
	s.holds(t, key, "new")
	s.left(t, "Get", key, s.get(t, key), long)
}

func addLeavesTime(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	began := time.Now()
	s.set(t, key, "old", s.life())
	if !s.young(began) {
		return
	}
	added, err := s.adder().Add(s.ctx, key, []byte("new"), long)
	if err != nil || added && s.young(began) {
		t.Fatalf("Add says %v, %v; want false", added, err)
	}
	if !added {
		s.passLife()
		s.lacks(t, key)
	}
}

func deleteExpired(t checks.TB, s *bytesSubject) {
	keys := s.keys("foo", "bar")
	for _, key := range keys {
		s.set(t, key, "old", s.life())
	}
	s.passLife()
	s.delete(t, keys[0], false)
	if s.can(Bulk) {
		existed, err := s.bulk().DeleteMany(s.ctx, keys[1:])
		if err != nil || len(existed) != 1 || existed[0] {
			t.Errorf("DeleteMany of an expired record says %v, %v; want false", existed, err)
		}
	}
}

func touchRevivesNothing(t checks.TB, s *bytesSubject) {
	keys := s.keys("foo", "bar")
	for _, key := range keys {
		s.set(t, key, "old", s.life())
	}
	s.passLife()
	s.touch(t, long, keys[:1], false)
	s.touch(t, storage.Forever, keys[1:], false)
	s.lacks(t, keys[0])
	s.lacks(t, keys[1])
}

func keysYieldsNoExpired(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("foo"), "old", s.life())
	s.set(t, s.key("stays"), "1", long)
	s.passLife()
	s.lists(t, s.prefix, s.key("stays"))
}

func bulksKeepTimes(t checks.TB, s *bytesSubject) {
	item := func(name string, keep time.Duration) storage.Item {
		return storage.Item{Key: s.key(name), Value: []byte(name), Keep: keep}
	}
	s.set(t, s.key("had none"), "old", storage.Forever)
	s.setMany(t, item("short", s.life()), item("long", long), item("forever", storage.Forever), item("had none", s.life()))
	rs := s.getMany(t, s.keys("long", "forever"))
	s.left(t, "GetMany", s.key("long"), rs[0], long)
	s.left(t, "GetMany", s.key("forever"), rs[1], storage.Forever)
	s.passLife()
	rs = s.getMany(t, s.keys("short", "long", "forever", "had none"))
	s.none(t, "GetMany", s.key("short"), rs[0])
	s.same(t, "GetMany", s.key("long"), rs[1], "long")
	s.same(t, "GetMany", s.key("forever"), rs[2], "forever")
	s.none(t, "GetMany", s.key("had none"), rs[3])
}
