package storagetest

import (
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var claimChecks = []bytesCheck{
	{Name: "a claim is filled", needs: Fenced, run: claimIsFilled},
	{Name: "a claim returns the record and leaves it", needs: Fenced, run: claimReturnsRecord},
	{Name: "a claim alone is not found", needs: Fenced, run: claimIsNotFound},
	{Name: "a fill after a delete is refused", needs: Fenced, run: fillAfterDelete},
	{Name: "a fill after a set is refused", needs: Fenced, run: fillAfterSet},
	{Name: "a fill after a clear is refused", needs: Fenced | Lister, run: fillAfterClear},
	{Name: "a touch leaves claims good", needs: Fenced | Toucher, run: touchLeavesClaims},
	{Name: "two claims may both fill", needs: Fenced, run: bothFill},
	{Name: "a fill never replaces that of a later claim", needs: Fenced, run: olderFill},
	{Name: "a fill that touches keeps the age of the value", needs: Fenced, run: touchingFill},
	{Name: "a later claim does not make an earlier one good again", needs: Fenced, run: noRevivedClaim},
	{Name: "a token is good for its key alone", needs: Fenced, run: tokenOfAnother},
	{Name: "claims and fills of many", needs: Fenced, run: manyClaims},
}

func claimIsFilled(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	c := s.claim(t, key, long)
	s.none(t, "Claim", key, c.Record)
	s.fill(t, key, "filled", c, true)
	s.holds(t, key, "filled")
	s.left(t, "Get", key, s.get(t, key), long)
	c = s.claim(t, key, long) // and over a record
	s.fillFor(t, key, "", 2*long, c, true)
	s.holds(t, key, "")
	s.left(t, "Get", key, s.get(t, key), 2*long)
}

func claimReturnsRecord(t checks.TB, s *bytesSubject) {
	for _, keep := range []time.Duration{10 * time.Minute, long, storage.Forever} {
		key := s.key(keep.String())
		s.set(t, key, "there", keep)
		for _, hold := range []time.Duration{time.Minute, 100 * long} {
			c := s.claim(t, key, hold)
			s.same(t, "Claim", key, c.Record, "there")
			s.left(t, "Claim", key, c.Record, keep)
			s.holds(t, key, "there")
			s.left(t, "Get after Claim", key, s.get(t, key), keep)
		}
	}
	s.set(t, s.key("empty"), "", long)
	s.same(t, "Claim", s.key("empty"), s.claim(t, s.key("empty"), long).Record, "")
}

// claimIsNotFound claims a key for each verb: what it did to a claim must not
// hide from the next.
func claimIsNotFound(t checks.TB, s *bytesSubject) {
	key := func(name string) string {
		key := s.key(name)
		s.claim(t, key, long)
		return key
	}
	s.lacks(t, key("Get"))
	s.delete(t, key("Delete"), false)
	if s.can(Bulk) {
		k := key("GetMany")
		s.none(t, "GetMany", k, s.getMany(t, []string{k})[0])
		s.deletesMany(t, []string{key("DeleteMany")}, false)
	}
	if s.can(Toucher) {
		k := key("Touch")
		s.touch(t, 2*long, []string{k}, false)
		s.lacks(t, k)
		s.touch(t, storage.Forever, []string{k}, false)
		s.lacks(t, k)
		s.touch(t, 0, []string{k}, false)
	}
	if s.can(Adder) {
		k := key("Add")
		s.add(t, k, "added", long, true)
		s.holds(t, k, "added")
	}
	if s.can(Lister) {
		key("listed: claimed")
		s.set(t, s.key("listed: set"), "1", long)
		s.lists(t, s.key("listed: "), s.key("listed: set"))
	}
	k := key("Claim")
	s.none(t, "Claim", k, s.claim(t, k, long).Record)
}

// refuses checks that what happens between a claim and its fill has the fill
// refused, over a record and over none.
func (s *bytesSubject) refuses(t checks.TB, what string, happens func(key string), after string, found bool) {
	t.Helper()
	for _, before := range []string{"over nothing ", "over a record "} {
		key := s.key(before + what)
		if before == "over a record " {
			s.set(t, key, "old", long)
		}
		c := s.claim(t, key, long)
		happens(key)
		s.fill(t, key, "late", c, false)
		if found {
			s.holds(t, key, after)
		} else {
			s.lacks(t, key)
		}
	}
}

func fillAfterDelete(t checks.TB, s *bytesSubject) {
	del := func(key string) {
		if _, err := s.b.Delete(s.ctx, key); err != nil {
			t.Fatalf("Delete of %.80q: %v", key, err)
		}
	}
	s.refuses(t, "Delete", del, "", false)
	s.refuses(t, "Set for no time", func(key string) { s.set(t, key, "none", 0) }, "", false)
	if s.can(Bulk) {
		s.refuses(t, "DeleteMany", func(key string) {
			if _, err := s.bulk().DeleteMany(s.ctx, []string{s.key("other"), key}); err != nil {
				t.Fatalf("DeleteMany of %.80q: %v", key, err)
			}
		}, "", false)
		s.refuses(t, "SetMany for no time", func(key string) { s.setMany(t, storage.Item{Key: key, Keep: -1}) }, "", false)
	}
	if s.can(Toucher) { // over a record alone: a touch of nothing does nothing
		key := s.key("Touch for no time")
		s.set(t, key, "old", long)
		c := s.claim(t, key, long)
		s.touch(t, 0, []string{key}, true)
		s.fill(t, key, "late", c, false)
		s.lacks(t, key)
	}
}

func fillAfterSet(t checks.TB, s *bytesSubject) {
	s.refuses(t, "Set", func(key string) { s.set(t, key, "set", long) }, "set", true)
	s.refuses(t, "Set to what was there", func(key string) { s.set(t, key, "old", long) }, "old", true)
	if s.can(Bulk) {
		s.refuses(t, "SetMany", func(key string) {
			s.setMany(t, storage.Item{Key: key, Value: []byte("set"), Keep: long})
		}, "set", true)
	}
	s.refuses(t, "Set and Delete", func(key string) {
		s.set(t, key, "set", long)
		s.delete(t, key, true)
	}, "", false)
	if s.can(Adder) {
		key := s.key("added")
		c := s.claim(t, key, long)
		s.add(t, key, "added", long, true)
		s.fill(t, key, "late", c, false)
		s.holds(t, key, "added")
		c = s.claim(t, key, long)
		s.add(t, key, "kept out", long, false) // does nothing
		s.fill(t, key, "filled", c, true)
		s.holds(t, key, "filled")
	}
}

func fillAfterClear(t checks.TB, s *bytesSubject) {
	s.refuses(t, "Clear", func(key string) { s.clear(t, key) }, "", false)
	key := s.key("other")
	c := s.claim(t, key, long)
	s.clear(t, s.key("over"))
	s.fill(t, key, "filled", c, true)
	s.holds(t, key, "filled")
}

func touchLeavesClaims(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	s.set(t, key, "old", long)
	c := s.claim(t, key, long)
	s.touch(t, 2*long, []string{key}, true)
	s.fill(t, key, "filled", c, true)
	s.holds(t, key, "filled")
}

func bothFill(t checks.TB, s *bytesSubject) {
	for _, name := range []string{"over nothing", "over a record"} {
		key := s.key(name)
		if name == "over a record" {
			s.set(t, key, "old", long)
		}
		first, second := s.claim(t, key, long), s.claim(t, key, long)
		s.fill(t, key, "of the first", first, true)
		s.holds(t, key, "of the first")
		s.fill(t, key, "of the second", second, true)
		s.holds(t, key, "of the second")
		third := s.claim(t, key, long)
		s.same(t, "Claim", key, third.Record, "of the second")
		s.fill(t, key, "of the third", third, true)
		s.fill(t, key, "of the third again", third, true)
		s.holds(t, key, "of the third again")
		s.delete(t, key, true)
		for _, c := range []storage.Claimed{first, second, third} {
			s.fill(t, key, "late", c, false)
		}
		s.lacks(t, key)
	}
}

// olderFill fills claims in another order than that in which they were made, one of
// them after what leaves claims good.
func olderFill(t checks.TB, s *bytesSubject) {
	for _, name := range []string{"over nothing", "over a record"} {
		key := s.key(name)
		if name == "over a record" {
			s.set(t, key, "old", long)
		}
		first, second, third := s.claim(t, key, long), s.claim(t, key, long), s.claim(t, key, long)
		s.fill(t, key, "of the second", second, true)
		s.fill(t, key, "of the first", first, false)
		s.holds(t, key, "of the second")
		s.left(t, "Get after a fill that was refused", key, s.get(t, key), long)
		s.fill(t, key, "of the third", third, true)
		for range 2 {
			s.fill(t, key, "of the second", second, false)
			s.fill(t, key, "of the first", first, false)
		}
		if s.can(Toucher) {
			s.touch(t, 2*long, []string{key}, true)
			s.fill(t, key, "of the second", second, false)
		}
		s.claim(t, key, 2*long)
		s.fill(t, key, "of the second", second, false)
		s.holds(t, key, "of the third")
		s.fill(t, key, "of the third again", third, true)
		s.holds(t, key, "of the third again")
		s.set(t, key, "set", long) // is of no claim
		first, second = s.claim(t, key, long), s.claim(t, key, long)
		s.fill(t, key, "of the first", first, true)
		s.fill(t, key, "of the second", second, true)
		s.holds(t, key, "of the second")
	}
	key, other := s.key("of many"), s.key("other")
	first, second, others := s.claim(t, key, long), s.claim(t, key, long), s.claim(t, other, long)
	filling := func(key, value string, c storage.Claimed) storage.Filling {
		return storage.Filling{Item: storage.Item{Key: key, Value: []byte(value), Keep: long}, Token: c.Token}
	}
	stored, err := s.fenced().Fill(s.ctx, filling(key, "of the second", second), filling(other, "other", others), filling(key, "of the first", first))
	if err != nil || len(stored) != 3 || !stored[0] || !stored[1] || stored[2] {
		t.Fatalf("Fill of the second claim, another's and the first says %v, %v", stored, err)
	}
	s.holds(t, key, "of the second")
}

// touchingFill fills a claim with the value that it has returned.
func touchingFill(t checks.TB, s *bytesSubject) {
	touch := func(key string, c storage.Claimed, want bool) {
		t.Helper()
		fill := storage.Filling{Item: storage.Item{Key: key, Value: c.Value, Keep: 2 * long}, Token: c.Token, Touch: true}
		stored, err := s.fenced().Fill(s.ctx, fill)
		if err != nil || len(stored) != 1 || stored[0] != want {
			t.Fatalf("Fill of %.80q with what it has found says %v, %v; want %v", key, stored, err, want)
		}
	}
	for _, name := range []string{"set", "filled"} {
		key := s.key(name)
		s.set(t, key, "there", long)
		if name == "filled" {
			s.fill(t, key, "there", s.claim(t, key, long), true)
		}
		load := s.claim(t, key, long)
		found := s.claim(t, key, long)
		touch(key, found, true)
		s.holds(t, key, "there")
		s.left(t, "Get", key, s.get(t, key), 2*long)
		touch(key, found, true)
		s.fill(t, key, "of the load", load, true) // is newer than what was touched
		s.holds(t, key, "of the load")
		touch(key, found, false)
		s.holds(t, key, "of the load")
		touch(key, s.claim(t, key, long), true)
		s.holds(t, key, "of the load")
	}
}

func noRevivedClaim(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	for _, happens := range []func(){
		func() { s.delete(t, key, false) },
		func() { s.set(t, key, "set", long) },
		func() { s.set(t, key, "set", long); s.delete(t, key, true) },
	} {
		early := s.claim(t, key, long)
		happens()
		late := s.claim(t, key, long)
		s.fill(t, key, "of the early one", early, false)
		s.fill(t, key, "of the late one", late, true)
		s.fill(t, key, "of the early one", early, false)
		s.holds(t, key, "of the late one")
		s.delete(t, key, true)
	}
}

// tokenOfAnother does not ask whether a token that is none is an error.
func tokenOfAnother(t checks.TB, s *bytesSubject) {
	key, other := s.key("foo"), s.key("bar")
	mine, others := s.claim(t, key, long), s.claim(t, other, long)
	s.fill(t, key, "stolen", others, false)
	s.lacks(t, key)
	for _, token := range []string{"", "0", "1", "\x00", "no token", mine.Token + "0", mine.Token + "\x00"} {
		stored, err := s.fenced().Fill(s.ctx, storage.Filling{Item: storage.Item{Key: key, Value: []byte("forged"), Keep: long}, Token: token})
		if err == nil && (len(stored) != 1 || stored[0]) {
			t.Errorf("Fill with token %.80q says %v", token, stored)
		}
		s.lacks(t, key)
		s.lacks(t, other)
	}
	s.fill(t, key, "mine", mine, true)
	s.fill(t, other, "other's", others, true)
	s.holds(t, key, "mine")
	s.holds(t, other, "other's")
}

func manyClaims(t checks.TB, s *bytesSubject) {
	keys := s.keys("none", "set", "deleted", "set later", "kept")
	for _, key := range []string{keys[1], keys[2], keys[4]} {
		s.set(t, key, "old", long)
	}
	claims, err := s.fenced().Claim(s.ctx, long, keys...)
	if err != nil || len(claims) != len(keys) {
		t.Fatalf("Claim of %d keys returns %d, %v", len(keys), len(claims), err)
	}
	for i, c := range claims {
		if i == 0 || i == 3 {
			s.none(t, "Claim", keys[i], c.Record)
		} else {
			s.same(t, "Claim", keys[i], c.Record, "old")
			s.left(t, "Claim", keys[i], c.Record, long)
		}
	}
	s.delete(t, keys[2], true)
	s.set(t, keys[3], "set", long)
	filling := func(i int, value string, keep time.Duration) storage.Filling {
		return storage.Filling{Item: storage.Item{Key: keys[i], Value: []byte(value), Keep: keep}, Token: claims[i].Token}
	}
	stored, err := s.fenced().Fill(s.ctx, filling(0, "filled", long), filling(1, "", 2*long), filling(2, "late", long), filling(3, "late", long), filling(0, "filled again", storage.Forever))
	if want := []bool{true, true, false, false, true}; err != nil || len(stored) != len(want) {
		t.Fatalf("Fill of %d returns %v, %v", len(want), stored, err)
	} else {
		for i := range want {
			if stored[i] != want[i] {
				t.Fatalf("Fill says %v, want %v", stored, want)
			}
		}
	}
	s.holds(t, keys[0], "filled again")
	s.left(t, "Get", keys[0], s.get(t, keys[0]), storage.Forever)
	s.holds(t, keys[1], "")
	s.left(t, "Get", keys[1], s.get(t, keys[1]), 2*long)
	s.lacks(t, keys[2])
	s.holds(t, keys[3], "set")
	s.holds(t, keys[4], "old")
}
