package storagetest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

func quoted(value []byte) string {
	return fmt.Sprintf("%s (%d bytes)", strconv.Quote(string(value)), len(value))
}

var recordChecks = []bytesCheck{
	{Name: "cachetory02SetGet", run: setGet},
	{Name: "cachetory03GetMissing", run: getMissing},
	{Name: "cachetory04IfNotExists", needs: Adder, run: ifNotExists},
	{Name: "cachetory05Delete", run: deleteOnce},
	{Name: "cachetory06DeleteMissing", run: deleteMissing},
	{Name: "cachetory14EmptyValue", run: emptyValue},
	{Name: "ring05UpdateReplaces", run: updateReplaces},
	{Name: "ring07TouchMissing", needs: Toucher, run: touchMissing},
	{Name: "ring30EveryByte", run: everyByte},
	{Name: "values of every size", run: everySize},
	{Name: "a time of zero or less deletes", run: zeroDeletes},
	{Name: "a time of zero or less adds nothing", needs: Adder, run: zeroAddsNothing},
	{Name: "a touch for zero or less deletes", needs: Toucher, run: zeroTouchDeletes},
	{Name: "a value that was set may be changed", run: valueIsCopiedIn},
	{Name: "a value that was got may be changed", run: valueIsCopiedOut},
}

func setGet(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("foo"), "hello", storage.Forever)
	s.holds(t, s.key("foo"), "hello")
	s.holds(t, s.key("foo"), "hello")
	s.lacks(t, s.key("fo"))
	s.lacks(t, s.key("fooo"))
}

func getMissing(t checks.TB, s *bytesSubject) {
	s.lacks(t, s.key("foo"))
}

func ifNotExists(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	s.add(t, key, "first", long, true)
	s.add(t, key, "second", 2*long, false)
	s.holds(t, key, "first")
	s.left(t, "Get", key, s.get(t, key), long)
	s.delete(t, key, true)
	s.add(t, key, "", long, true)
	s.add(t, key, "third", long, false) // an empty value is there
	s.holds(t, key, "")
	s.set(t, s.key("bar"), "set", long)
	s.add(t, s.key("bar"), "added", long, false)
	s.holds(t, s.key("bar"), "set")
}

func deleteOnce(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("foo"), "1", long)
	s.set(t, s.key("fo"), "2", long)
	s.set(t, s.key("empty"), "", long)
	s.delete(t, s.key("foo"), true)
	s.lacks(t, s.key("foo"))
	s.delete(t, s.key("foo"), false)
	s.holds(t, s.key("fo"), "2")
	s.delete(t, s.key("empty"), true)
	s.lacks(t, s.key("empty"))
	s.set(t, s.key("foo"), "3", long)
	s.holds(t, s.key("foo"), "3")
}

func deleteMissing(t checks.TB, s *bytesSubject) {
	s.delete(t, s.key("foo"), false)
	s.lacks(t, s.key("foo"))
}

func emptyValue(t checks.TB, s *bytesSubject) {
	for name, value := range map[string][]byte{"empty": {}, "nil": nil} {
		key := s.key(name)
		if err := s.b.Set(s.ctx, key, value, long); err != nil {
			t.Fatalf("Set of a value that is %s: %v", name, err)
		}
		r := s.get(t, key)
		if !r.Found || len(r.Value) != 0 {
			t.Errorf("a value that is %s is got as %s, found %v", name, brief(r.Value), r.Found)
		}
	}
	s.lacks(t, s.key("other"))
}

func updateReplaces(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	for _, value := range []string{"one", "a much longer value than before", "", "2", "one"} {
		s.set(t, key, value, long)
		s.holds(t, key, value)
	}
}

func touchMissing(t checks.TB, s *bytesSubject) {
	s.touch(t, long, s.keys("none"), false)
	s.lacks(t, s.key("none"))
	s.set(t, s.key("a"), "1", long)
	s.set(t, s.key("empty"), "", long)
	s.touch(t, 2*long, s.keys("none", "a", "empty"), false, true, true)
	s.holds(t, s.key("a"), "1")
	s.holds(t, s.key("empty"), "")
	s.lacks(t, s.key("none"))
	s.left(t, "Get", s.key("a"), s.get(t, s.key("a")), 2*long)
	s.touch(t, storage.Forever, s.keys("a"), true)
	s.left(t, "Get", s.key("a"), s.get(t, s.key("a")), storage.Forever)
	s.touch(t, long, s.keys("a"), true) // and back
	s.left(t, "Get", s.key("a"), s.get(t, s.key("a")), long)
	s.delete(t, s.key("a"), true)
	s.touch(t, storage.Forever, s.keys("a"), false)
	s.lacks(t, s.key("a"))
}

func everyByte(t checks.TB, s *bytesSubject) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
		one := s.key("one")
		s.set(t, one, string(all[i:i+1]), long)
		s.holds(t, one, string(all[i:i+1]))
	}
	for name, value := range map[string]string{
		"all": string(all), "zeros": strings.Repeat("\x00", 100), "lines": "\r\n\r\nEND\r\nVALUE a 0 1\r\n", "invalid UTF-8": "\xff\xfe\xc0\x80",
		"a number": "0012", "true": "true", "null": "null",
	} {
		s.set(t, s.key(name), value, long)
		s.holds(t, s.key(name), value)
	}
}

func everySize(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	for _, size := range []int{0, 1, 2, 63, 64, 65, 4095, 4096, 65535, 65536, 1 << 20, s.MaxValue - 1, s.MaxValue} {
		if size > s.MaxValue {
			continue
		}
		value := bytes.Repeat([]byte{1, 0, 0xfe, '\n', byte(size)}, size/5+1)[:size]
		if err := s.b.Set(s.ctx, key, value, long); err != nil {
			t.Fatalf("Set of %d bytes: %v", size, err)
		}
		if r := s.get(t, key); !r.Found || !bytes.Equal(r.Value, value) {
			t.Fatalf("%d bytes are set, and %s are got (found %v)", size, brief(r.Value), r.Found)
		}
	}
}

// noTimes are the times that store nothing.
var noTimes = []time.Duration{0, -1, -time.Nanosecond * 500, -time.Second, -long, -storage.Forever, -storage.Forever - 1}

func zeroDeletes(t checks.TB, s *bytesSubject) {
	for _, keep := range noTimes {
		key := s.key(keep.String())
		s.set(t, key, "none", keep)
		s.lacks(t, key)
		s.set(t, key, "old", long)
		s.set(t, key, "none", keep)
		s.lacks(t, key)
		s.delete(t, key, false)
		s.set(t, key, "new", long)
		s.holds(t, key, "new")
	}
}

// zeroAddsNothing does not ask what Add says.
func zeroAddsNothing(t checks.TB, s *bytesSubject) {
	for _, keep := range noTimes {
		key := s.key(keep.String())
		if _, err := s.adder().Add(s.ctx, key, []byte("none"), keep); err != nil {
			t.Fatalf("Add for %v: %v", keep, err)
		}
		s.lacks(t, key)
		s.set(t, key, "there", long)
		s.add(t, key, "none", keep, false)
		s.holds(t, key, "there")
	}
}

func zeroTouchDeletes(t checks.TB, s *bytesSubject) {
	for _, keep := range noTimes {
		key, other := s.key(keep.String()), s.key("other")
		s.set(t, key, "1", long)
		s.set(t, other, "2", long)
		s.touch(t, keep, []string{key, s.key("none")}, true, false)
		s.lacks(t, key)
		s.delete(t, key, false)
		s.holds(t, other, "2")
	}
}

func valueIsCopiedIn(t checks.TB, s *bytesSubject) {
	const want = "as it was"
	value := []byte(want)
	try := func(name string, store func(key string) error) {
		t.Helper()
		key := s.key(name)
		copy(value, want)
		if err := store(key); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		copy(value, "CHANGED")
		s.holds(t, key, want)
	}
	try("Set", func(key string) error { return s.b.Set(s.ctx, key, value, long) })
	if s.can(Adder) {
		try("Add", func(key string) error {
			_, err := s.adder().Add(s.ctx, key, value, long)
			return err
		})
	}
	if s.can(Bulk) {
		try("SetMany", func(key string) error {
			return s.bulk().SetMany(s.ctx, []storage.Item{{Key: key, Value: value, Keep: long}})
		})
	}
	if s.can(Fenced) {
		try("Fill", func(key string) error {
			c := s.claim(t, key, long)
			_, err := s.fenced().Fill(s.ctx, storage.Filling{Item: storage.Item{Key: key, Value: value, Keep: long}, Token: c.Token})
			return err
		})
	}
}

func valueIsCopiedOut(t checks.TB, s *bytesSubject) {
	const want = "as it was"
	key := s.key("foo")
	s.set(t, key, want, long)
	try := func(verb string, got []byte) {
		t.Helper()
		if string(got) != want {
			t.Fatalf("%s returns %s, want %s", verb, brief(got), brief([]byte(want)))
		}
		for i := range got[:cap(got)] { // what lies behind it too
			got[:cap(got)][i] = 'X'
		}
		s.holds(t, key, want)
	}
	try("Get", s.get(t, key).Value)
	if s.can(Bulk) {
		rs := s.getMany(t, []string{key, key})
		try("GetMany", rs[0].Value)
		try("GetMany", rs[1].Value)
	}
	if s.can(Fenced) {
		try("Claim", s.claim(t, key, long).Value)
	}
}
