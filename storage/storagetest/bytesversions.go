package storagetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var versionChecks = []bytesCheck{
	{Name: "a look returns records and their versions", needs: Versioned, run: lookReturns},
	{Name: "every change gives another version", needs: Versioned, run: changesGiveVersions},
	{Name: "a swap on what was seen is made", needs: Versioned, run: swapIsMade},
	{Name: "a swap on anything else is refused", needs: Versioned, run: swapIsRefused},
	{Name: "a swap is known again", needs: Versioned, run: swapIsKnown},
	{Name: "a swap is known again where the record is deleted", needs: Versioned, run: swapIsKnownAfterDelete},
	{Name: "what was deleted is no record, whatever is known of it", needs: Versioned, run: deletedIsNothing},
	{Name: "swaps of many", needs: Versioned, run: swapsOfMany},
	{Name: "a version that is none is refused", needs: Versioned, run: badVersions},
	{Name: "values that are swapped and looked at may be changed", needs: Versioned, run: versionsAreCopied},
	{Name: "a swapped record has the time of its swap", needs: Versioned, when: keepsTimes, waits: true, run: swapHasItsTime},
	{Name: "what is over has no version", needs: Versioned, when: keepsTimes, waits: true, run: expiredHasNoVersion},
}

func (s *bytesSubject) versioned() storage.VersionedBytes { return s.b.(storage.VersionedBytes) }

// look is the key's record and version, and checks that it has one where there
// is a record, and none where there is none.
func (s *bytesSubject) look(t checks.TB, key string) storage.Versioned {
	t.Helper()
	found, err := s.versioned().Look(s.ctx, key)
	if err != nil || len(found) != 1 {
		t.Fatalf("Look at %.80q returns %d records, %v; want 1", key, len(found), err)
	}
	if v := found[0]; v.Found != (v.Version != "") {
		t.Fatalf("Look at %.80q returns the version %.80q, found %v", key, v.Version, v.Found)
	}
	return found[0]
}

func change(key, was, value string, keep time.Duration) storage.Change {
	return storage.Change{Item: storage.Item{Key: key, Value: []byte(value), Keep: keep}, Was: was, Becomes: rand.Text()}
}

// swap makes changes, or does not.
func (s *bytesSubject) swap(t checks.TB, want bool, changes ...storage.Change) {
	t.Helper()
	made, err := s.versioned().Swap(s.ctx, changes...)
	if err != nil || len(made) != len(changes) || slices.Contains(made, !want) {
		t.Fatalf("Swap of %.80q says %v, %v; want %v", changes[0].Key, made, err, want)
	}
}

// is checks that the key has a value and a version.
func (s *bytesSubject) is(t checks.TB, key, value, version string) {
	t.Helper()
	v := s.look(t, key)
	s.same(t, "Look", key, v.Record, value)
	if v.Version != version {
		t.Fatalf("Look at %.80q returns the version %.80q, want %.80q", key, v.Version, version)
	}
	s.holds(t, key, value)
}

func lookReturns(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("a"), "1", long)
	s.set(t, s.key("empty"), "", storage.Forever)
	keys := s.keys("none", "a", "empty", "a", "nor")
	first, err := s.versioned().Look(s.ctx, keys...)
	if err != nil || len(first) != len(keys) {
		t.Fatalf("Look at %d keys returns %d, %v", len(keys), len(first), err)
	}
	for i, want := range []string{"", "1", "", "1", ""} {
		if i == 0 || i == 4 {
			s.none(t, "Look", keys[i], first[i].Record)
		} else {
			s.same(t, "Look", keys[i], first[i].Record, want)
		}
		if again := s.look(t, keys[i]); again.Version != first[i].Version {
			t.Errorf("two looks at %.80q return the versions %.80q and %.80q", keys[i], first[i].Version, again.Version)
		}
	}
	s.left(t, "Look", keys[1], first[1].Record, long)
	s.left(t, "Look", keys[2], first[2].Record, storage.Forever)
	if first[1].Version == first[2].Version {
		t.Errorf("two records have the version %.80q", first[1].Version)
	}
	if found, err := s.versioned().Look(s.ctx); err != nil || len(found) != 0 {
		t.Errorf("Look at nothing returns %v, %v", found, err)
	}
}

func changesGiveVersions(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	seen := map[string]bool{}
	after := func(what string) {
		t.Helper()
		v := s.look(t, key)
		if v.Found && seen[v.Version] {
			t.Errorf("after %s the record has a version that it had before, %.80q", what, v.Version)
		}
		seen[v.Version] = true
	}
	for range 2 {
		s.set(t, key, "same", long)
		after("Set")
		s.set(t, key, "same", long)
		after("Set to what was there")
		s.delete(t, key, true)
		s.set(t, key, "same", long)
		after("Delete and Set")
		s.set(t, key, "same", 0)
		s.set(t, key, "same", long)
		after("Set for no time and Set")
		if s.can(Bulk) {
			s.setMany(t, storage.Item{Key: key, Value: []byte("same"), Keep: long})
			after("SetMany")
		}
		if s.can(Fenced) {
			s.fill(t, key, "same", s.claim(t, key, long), true)
			after("Fill")
		}
		if s.can(Adder) {
			s.delete(t, key, true)
			s.add(t, key, "same", long, true)
			after("Delete and Add")
		}
		if s.can(Lister) {
			s.clear(t, s.prefix)
			s.set(t, key, "same", long)
			after("Clear and Set")
		}
	}
}

func swapIsMade(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	made := change(key, "", "created", long)
	s.swap(t, true, made)
	s.is(t, key, "created", made.Becomes)
	s.left(t, "Get", key, s.get(t, key), long)
	next := change(key, made.Becomes, "", storage.Forever)
	s.swap(t, true, next)
	s.is(t, key, "", next.Becomes)
	s.left(t, "Get", key, s.get(t, key), storage.Forever)
	s.set(t, key, "set", long)
	last := change(key, s.look(t, key).Version, "swapped", long)
	s.swap(t, true, last)
	s.is(t, key, "swapped", last.Becomes)
	for _, keep := range noTimes {
		s.set(t, key, "there", long)
		s.swap(t, true, change(key, s.look(t, key).Version, "gone", keep))
		s.lacks(t, key)
		s.look(t, key)
	}
	again := change(key, "", "created again", long)
	s.swap(t, true, again)
	s.is(t, key, "created again", again.Becomes)
}

func swapIsRefused(t checks.TB, s *bytesSubject) {
	key, other := s.key("foo"), s.key("other")
	s.set(t, other, "other", long)
	refuses := func(why, was, value string, found bool) {
		t.Helper()
		for _, keep := range []time.Duration{long, storage.Forever, 0} {
			made, err := s.versioned().Swap(s.ctx, change(key, was, "late", keep))
			if err != nil || len(made) != 1 || made[0] {
				t.Fatalf("%s: Swap says %v, %v; want false", why, made, err)
			}
			if found {
				s.holds(t, key, value)
			} else {
				s.lacks(t, key)
			}
		}
	}
	refuses("there is nothing", s.look(t, other).Version, "", false)
	refuses("there never was such a version", "none", "", false)
	s.set(t, key, "one", long)
	first := s.look(t, key).Version
	refuses("there is something", "", "one", true)
	refuses("that is another's version", s.look(t, other).Version, "one", true)
	refuses("that is a part of its version", first[:len(first)-1], "one", true)
	refuses("that is more than its version", first+"0", "one", true)
	s.set(t, key, "two", long)
	refuses("it was set", first, "two", true)
	s.set(t, key, "one", long)
	refuses("it was set to what it was", first, "one", true)
	second := s.look(t, key).Version
	s.swap(t, true, change(key, second, "three", long))
	refuses("it was swapped", second, "three", true)
	third := s.look(t, key).Version
	s.delete(t, key, true)
	refuses("it was deleted", third, "", false)
	s.set(t, key, "one", long)
	refuses("it was deleted and set", third, "one", true)
	fourth := change(key, s.look(t, key).Version, "", 0)
	s.swap(t, true, fourth)
	refuses("it was deleted by a swap", fourth.Becomes, "", false)
	s.holds(t, other, "other")
}

// swapIsKnown sends every change again after some others.
func swapIsKnown(t checks.TB, s *bytesSubject) {
	const known = 16
	key := s.key("foo")
	var sent []storage.Change
	was := ""
	for i := range 3 * known {
		c := change(key, was, fmt.Sprint("value ", i), long)
		s.swap(t, true, c)
		sent, was = append(sent, c), c.Becomes
		if i%5 == 4 {
			s.set(t, key, fmt.Sprint("set ", i), long)
			was = s.look(t, key).Version
			sent = append(sent, storage.Change{}) // which takes a place too
		}
		now := s.get(t, key)
		for _, c := range sent[max(0, len(sent)-known-1):] {
			if c.Becomes != "" {
				s.swap(t, true, c)
				s.is(t, key, string(now.Value), was)
			}
		}
	}
}

func swapIsKnownAfterDelete(t checks.TB, s *bytesSubject) {
	for name, del := range map[string]func(key string){
		"Delete":          func(key string) { s.delete(t, key, true) },
		"Set for no time": func(key string) { s.set(t, key, "", 0) },
		"Swap":            func(key string) { s.swap(t, true, change(key, s.look(t, key).Version, "", 0)) },
	} {
		key := s.key(name)
		made := change(key, "", "created", long)
		s.swap(t, true, made)
		next := change(key, made.Becomes, "next", long)
		s.swap(t, true, next)
		del(key)
		s.swap(t, true, made, next)
		s.lacks(t, key)
		other := change(key, "", "another's", long)
		s.swap(t, true, other)
		s.swap(t, true, made, next)
		s.is(t, key, "another's", other.Becomes)

		gone := change(key, other.Becomes, "", 0)
		s.swap(t, true, gone)
		s.set(t, key, "set", long)
		s.swap(t, true, gone)
		s.holds(t, key, "set")
	}
	key := s.key("nothing")
	gone := change(key, "", "", 0) // deletes what is not there
	s.swap(t, true, gone)
	s.set(t, key, "set", long)
	s.swap(t, true, gone)
	s.holds(t, key, "set")
}

// deletedIsNothing looks at what is left of a deleted record by every verb.
func deletedIsNothing(t checks.TB, s *bytesSubject) {
	key := func(name string) string {
		key := s.key(name)
		s.swap(t, true, change(key, "", "there", long))
		s.swap(t, true, change(key, s.look(t, key).Version, "", 0))
		return key
	}
	s.lacks(t, key("Get"))
	s.delete(t, key("Delete"), false)
	k := key("Look")
	s.none(t, "Look", k, s.look(t, k).Record)
	k = key("Set")
	s.set(t, k, "set", long)
	s.holds(t, k, "set")
	if s.can(Bulk) {
		k = key("GetMany")
		s.none(t, "GetMany", k, s.getMany(t, []string{k})[0])
		s.deletesMany(t, []string{key("DeleteMany")}, false)
	}
	if s.can(Toucher) {
		k = key("Touch")
		s.touch(t, storage.Forever, []string{k}, false)
		s.lacks(t, k)
	}
	if s.can(Adder) {
		k = key("Add")
		s.add(t, k, "added", long, true)
		s.holds(t, k, "added")
	}
	if s.can(Fenced) {
		k = key("Claim")
		c := s.claim(t, k, long)
		s.none(t, "Claim", k, c.Record)
		s.fill(t, k, "filled", c, true)
		s.holds(t, k, "filled")
	}
	if s.can(Lister) {
		key("listed: deleted")
		s.set(t, s.key("listed: set"), "1", long)
		s.lists(t, s.key("listed: "), s.key("listed: set"))
		s.clear(t, s.key("listed: "))
		s.lists(t, s.key("listed: "))
	}
}

func swapsOfMany(t checks.TB, s *bytesSubject) {
	keys := s.keys("none", "set", "changed", "deleted")
	for _, key := range keys[1:] {
		s.set(t, key, "old", long)
	}
	seen, err := s.versioned().Look(s.ctx, keys...)
	if err != nil {
		t.Fatalf("Look: %v", err)
	}
	s.set(t, keys[2], "changed", long)
	s.delete(t, keys[3], true)
	var changes []storage.Change
	for i, key := range keys {
		changes = append(changes, change(key, seen[i].Version, "new", long))
	}
	bad := change(s.key("bad"), "", "bad", long)
	bad.Becomes = ""
	twice := change(keys[0], changes[0].Becomes, "twice", storage.Forever)
	changes = append(changes, bad, twice)
	made, err := s.versioned().Swap(s.ctx, changes...)
	if want := []bool{true, true, false, false, false, true}; !slices.Equal(made, want) {
		t.Fatalf("Swap says %v, want %v", made, want)
	}
	if !errors.Is(err, storage.ErrRefused) || storage.FaultOf(err, 4) == nil || storage.FaultOf(err, 5) != nil {
		t.Errorf("Swap of a change whose version is none says %v, want an *ItemError of item 4", err)
	}
	s.is(t, keys[0], "twice", twice.Becomes)
	s.left(t, "Get", keys[0], s.get(t, keys[0]), storage.Forever)
	s.is(t, keys[1], "new", changes[1].Becomes)
	s.holds(t, keys[2], "changed")
	s.lacks(t, keys[3])
	s.lacks(t, s.key("bad"))
	if made, err := s.versioned().Swap(s.ctx); err != nil || len(made) != 0 {
		t.Errorf("Swap of nothing says %v, %v", made, err)
	}
}

func badVersions(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	for _, becomes := range []string{"", "a\x00b", "\x00", strings.Repeat("x", storage.MaxVersion+1)} {
		c := change(key, "", "bad", long)
		c.Becomes = becomes
		if made, err := s.versioned().Swap(s.ctx, c); !errors.Is(err, storage.ErrRefused) || slices.Contains(made, true) {
			t.Errorf("Swap that makes the version %.80q says %v, %v; want ErrRefused", becomes, made, err)
		}
		s.lacks(t, key)
	}
	was := ""
	for _, becomes := range []string{"1", " ", "a b", "ä\xff\r\n", "%s*[a-z]", "1.2", strings.Repeat("x", storage.MaxVersion)} {
		c := change(key, was, "good", long)
		c.Becomes, was = becomes, becomes
		s.swap(t, true, c)
		s.is(t, key, "good", becomes)
	}
	s.swap(t, false, change(key, "", "late", long))
	none := change(key, was, "new", long)
	none.Becomes = "a" // a part of one that it had is another
	s.swap(t, true, none)
	s.is(t, key, "new", "a")
}

func versionsAreCopied(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	c := change(key, "", "as it was", long)
	s.swap(t, true, c)
	copy(c.Value, "CHANGED")
	s.holds(t, key, "as it was")
	copy(s.look(t, key).Value, "CHANGED")
	s.holds(t, key, "as it was")
}

func swapHasItsTime(t checks.TB, s *bytesSubject) {
	began := time.Now()
	shorter, longer, freed := s.key("shorter"), s.key("longer"), s.key("freed")
	s.set(t, shorter, "old", storage.Forever)
	s.set(t, longer, "old", s.life())
	s.set(t, freed, "old", s.life())
	was := []string{s.look(t, shorter).Version}
	for _, key := range []string{longer, freed} {
		v, err := s.versioned().Look(s.ctx, key)
		if err != nil {
			t.Fatalf("Look: %v", err)
		}
		was = append(was, v[0].Version)
	}
	made, err := s.versioned().Swap(s.ctx, change(shorter, was[0], "new", s.life()), change(longer, was[1], "new", long), change(freed, was[2], "new", storage.Forever))
	if err != nil || !s.young(began) {
		return // they may have been over
	}
	if slices.Contains(made, false) {
		t.Fatalf("Swap says %v", made)
	}
	s.left(t, "Look", longer, s.look(t, longer).Record, long)
	s.passLife()
	s.lacks(t, shorter)
	s.holds(t, longer, "new")
	s.holds(t, freed, "new")
	s.left(t, "Look", freed, s.look(t, freed).Record, storage.Forever)
}

func expiredHasNoVersion(t checks.TB, s *bytesSubject) {
	var made []storage.Change
	for _, key := range s.keys("foo", "bar", "baz") {
		made = append(made, change(key, "", "old", s.life()))
	}
	s.swap(t, true, made...)
	s.passLife()
	foo, bar, baz := made[0], made[1], made[2]
	s.none(t, "Look", foo.Key, s.look(t, foo.Key).Record)
	s.swap(t, false, change(foo.Key, foo.Becomes, "late", long))
	s.swap(t, true, foo) // known again
	s.lacks(t, foo.Key)
	s.set(t, bar.Key, "set", long)
	s.swap(t, true, bar)
	s.holds(t, bar.Key, "set")
	next := change(baz.Key, "", "new", long)
	s.swap(t, true, next)
	s.is(t, baz.Key, "new", next.Becomes)
	s.swap(t, true, baz)
	s.is(t, baz.Key, "new", next.Becomes)
}
