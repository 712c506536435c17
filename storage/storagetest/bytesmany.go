package storagetest

import (
	"fmt"
	"slices"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var manyChecks = []bytesCheck{
	{Name: "cachetory07DeleteMany", needs: Bulk, run: deleteMany},
	{Name: "cachetory08EmptyBulks", run: emptyBulks},
	{Name: "cachetory09GetManyInOrder", needs: Bulk, run: getManyInOrder},
	{Name: "ring18Many", needs: Bulk, run: many},
	{Name: "a key may be twice in a bulk", run: twiceInABulk},
	{Name: "of two of one key in SetMany the last holds", needs: Bulk, run: lastOfTwoHolds},
	{Name: "items of a bulk are independent", needs: Bulk, run: mixedBulk},
	{Name: "a bulk of a thousand", needs: Bulk, run: thousand},
}

func deleteMany(t checks.TB, s *bytesSubject) {
	for _, name := range []string{"foo", "qux", "quux"} {
		s.set(t, s.key(name), name, long)
	}
	s.deletesMany(t, s.keys("foo", "bar", "quux"), true, false, true)
	s.lacks(t, s.key("foo"))
	s.lacks(t, s.key("quux"))
	s.holds(t, s.key("qux"), "qux")
	s.deletesMany(t, s.keys("foo"), false)
}

func (s *bytesSubject) deletesMany(t checks.TB, keys []string, want ...bool) {
	t.Helper()
	existed, err := s.bulk().DeleteMany(s.ctx, keys)
	if err != nil || !slices.Equal(existed, want) {
		t.Fatalf("DeleteMany of %.80q says %v, %v; want %v", keys, existed, err, want)
	}
}

func emptyBulks(t checks.TB, s *bytesSubject) {
	empty := func(call string, n int, err error) {
		t.Helper()
		if err != nil || n != 0 {
			t.Errorf("%s of nothing returns %d, %v", call, n, err)
		}
	}
	if s.can(Bulk) {
		for _, keys := range [][]string{nil, {}} {
			rs, err := s.bulk().GetMany(s.ctx, keys)
			empty("GetMany", len(rs), err)
			existed, err := s.bulk().DeleteMany(s.ctx, keys)
			empty("DeleteMany", len(existed), err)
		}
		empty("SetMany", 0, s.bulk().SetMany(s.ctx, nil))
		empty("SetMany", 0, s.bulk().SetMany(s.ctx, []storage.Item{}))
	}
	if s.can(Toucher) {
		touched, err := s.toucher().Touch(s.ctx, long)
		empty("Touch", len(touched), err)
		touched, err = s.toucher().Touch(s.ctx, 0)
		empty("Touch", len(touched), err)
	}
	if s.can(Fenced) {
		claims, err := s.fenced().Claim(s.ctx, long)
		empty("Claim", len(claims), err)
		stored, err := s.fenced().Fill(s.ctx)
		empty("Fill", len(stored), err)
	}
}

func getManyInOrder(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("non-empty"), "foo", long)
	s.set(t, s.key("empty"), "", long)
	rs := s.getMany(t, s.keys("non-empty", "missing", "empty", "missing too"))
	s.same(t, "GetMany", s.key("non-empty"), rs[0], "foo")
	s.none(t, "GetMany", s.key("missing"), rs[1])
	s.same(t, "GetMany", s.key("empty"), rs[2], "")
	s.none(t, "GetMany", s.key("missing too"), rs[3])
	rs = s.getMany(t, s.keys("empty", "non-empty"))
	s.same(t, "GetMany", s.key("empty"), rs[0], "")
	s.same(t, "GetMany", s.key("non-empty"), rs[1], "foo")
	for _, r := range s.getMany(t, s.keys("missing", "missing too")) {
		s.none(t, "GetMany", s.key("missing"), r)
	}
}

func many(t checks.TB, s *bytesSubject) {
	item := func(name, value string) storage.Item {
		return storage.Item{Key: s.key(name), Value: []byte(value), Keep: long}
	}
	keys := s.keys("1:2", "5:3", "7:6")
	for _, r := range s.getMany(t, keys) {
		s.none(t, "GetMany", "any", r)
	}
	s.setMany(t, item("1:2", "102"), item("5:3", "503"), item("7:6", "706"))
	s.setMany(t, item("5:3", "five"), item("7:6", "716"))
	s.deletesMany(t, keys[:1], true)
	rs := s.getMany(t, keys)
	s.none(t, "GetMany", keys[0], rs[0])
	s.same(t, "GetMany", keys[1], rs[1], "five")
	s.same(t, "GetMany", keys[2], rs[2], "716")
	s.setMany(t, item("1:2", "104"))
	s.holds(t, keys[0], "104")
}

func twiceInABulk(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("a"), "1", long)
	keys, there := s.keys("a", "none", "a", "none", "a", "a"), []bool{true, false, true, false, true, true}
	if s.can(Bulk) {
		for i, r := range s.getMany(t, keys) {
			if there[i] {
				s.same(t, "GetMany", keys[i], r, "1")
			} else {
				s.none(t, "GetMany", keys[i], r)
			}
		}
	}
	if s.can(Toucher) {
		s.touch(t, long, keys, there...)
	}
	if s.can(Fenced) {
		claims, err := s.fenced().Claim(s.ctx, long, s.keys("a", "none", "a", "none")...)
		if err != nil || len(claims) != 4 {
			t.Fatalf("Claim of 4 keys returns %d, %v", len(claims), err)
		}
		s.same(t, "Claim", keys[0], claims[0].Record, "1")
		s.same(t, "Claim", keys[0], claims[2].Record, "1")
		for i, name := range []string{"a", "none", "a", "none"} {
			s.fill(t, s.key(name), fmt.Sprint("filled ", i), claims[i], true)
		}
		s.holds(t, s.key("a"), "filled 2")
		s.holds(t, s.key("none"), "filled 3")
	}
	if s.can(Bulk) { // which of them says that it was there is not asked
		s.delete(t, s.key("a"), true)
		s.set(t, s.key("a"), "1", long)
		existed, err := s.bulk().DeleteMany(s.ctx, s.keys("a", "other", "a"))
		if err != nil || len(existed) != 3 || existed[1] || !existed[0] && !existed[2] {
			t.Errorf("DeleteMany of a key twice, and one that is not there between, says %v, %v", existed, err)
		}
		s.lacks(t, s.key("a"))
	}
}

func lastOfTwoHolds(t checks.TB, s *bytesSubject) {
	key := s.key("a")
	s.setMany(t,
		storage.Item{Key: key, Value: []byte("first"), Keep: storage.Forever},
		storage.Item{Key: s.key("b"), Value: []byte("other"), Keep: storage.Forever},
		storage.Item{Key: key, Value: []byte("last"), Keep: long})
	s.holds(t, key, "last")
	s.left(t, "Get", key, s.get(t, key), long)
	s.holds(t, s.key("b"), "other")
	s.setMany(t, storage.Item{Key: key, Value: []byte("first"), Keep: long}, storage.Item{Key: key, Keep: 0})
	s.lacks(t, key)
	s.setMany(t, storage.Item{Key: key, Keep: 0}, storage.Item{Key: key, Value: []byte("last"), Keep: long})
	s.holds(t, key, "last")
}

func mixedBulk(t checks.TB, s *bytesSubject) {
	for _, name := range []string{"a", "b", "c", "d"} {
		s.set(t, s.key(name), "old", storage.Forever)
	}
	s.setMany(t,
		storage.Item{Key: s.key("a"), Value: []byte("new"), Keep: long},
		storage.Item{Key: s.key("b"), Value: []byte("new"), Keep: 0},
		storage.Item{Key: s.key("c"), Value: nil, Keep: storage.Forever},
		storage.Item{Key: s.key("e"), Value: []byte("new"), Keep: -1},
		storage.Item{Key: s.key("f"), Value: []byte("new"), Keep: 2 * long})
	rs := s.getMany(t, s.keys("a", "b", "c", "d", "e", "f"))
	s.same(t, "GetMany", s.key("a"), rs[0], "new")
	s.left(t, "GetMany", s.key("a"), rs[0], long)
	s.none(t, "GetMany", s.key("b"), rs[1])
	s.same(t, "GetMany", s.key("c"), rs[2], "")
	s.left(t, "GetMany", s.key("c"), rs[2], storage.Forever)
	s.same(t, "GetMany", s.key("d"), rs[3], "old")
	s.none(t, "GetMany", s.key("e"), rs[4])
	s.same(t, "GetMany", s.key("f"), rs[5], "new")
	s.left(t, "GetMany", s.key("f"), rs[5], 2*long)
}

// fillStore sets n records and returns their names and values.
func (s *bytesSubject) fillStore(t checks.TB, n int) (names, values []string) {
	t.Helper()
	var items []storage.Item
	for i := range n {
		names, values = append(names, fmt.Sprint("k", i)), append(values, fmt.Sprint("value ", i))
		items = append(items, storage.Item{Key: s.key(names[i]), Value: []byte(values[i]), Keep: long})
	}
	if s.can(Bulk) {
		for part := range slices.Chunk(items, 500) {
			s.setMany(t, part...)
		}
		return names, values
	}
	for i := range items {
		s.set(t, items[i].Key, values[i], long)
	}
	return names, values
}

func thousand(t checks.TB, s *bytesSubject) {
	const n = 1000
	keys, values, items := make([]string, n), make([]string, n), make([]storage.Item, n)
	for i := range n {
		keys[i], values[i] = s.key(fmt.Sprint(i)), fmt.Sprint("value ", i)
		items[i] = storage.Item{Key: keys[i], Value: []byte(values[i]), Keep: long}
	}
	s.setMany(t, items...)
	for i, r := range s.getMany(t, keys) {
		s.same(t, "GetMany", keys[i], r, values[i])
	}
	var odd []string
	for i := 1; i < n; i += 2 {
		odd = append(odd, keys[i])
	}
	s.deletesMany(t, odd, slices.Repeat([]bool{true}, len(odd))...)
	for i, r := range s.getMany(t, keys) {
		if i%2 == 1 {
			s.none(t, "GetMany", keys[i], r)
		} else {
			s.same(t, "GetMany", keys[i], r, values[i])
		}
	}
	existed, err := s.bulk().DeleteMany(s.ctx, keys)
	if err != nil || len(existed) != n {
		t.Fatalf("DeleteMany of %d keys returns %d, %v", n, len(existed), err)
	}
	for i, was := range existed {
		if was == (i%2 == 1) {
			t.Fatalf("DeleteMany says %v of %.80q", was, keys[i])
		}
	}
}
