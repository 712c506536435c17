package tree_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/tree"
)

// Somebody else's value under a key of the tree is an error, and stays as it is;
// unless the tree is cleared.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	for _, key := range []string{"leaves", "ends", "adds"} {
		s.Command("FLUSHALL")
		set(t, tr, "a", object{"n": 1, "b": 2})
		before := s.Command("ZRANGE", "{tree:}leaves", "0", "-1")
		s.Command("DEL", "{tree:}"+key)
		s.Command("SET", "{tree:}"+key, "foreign")
		said := everyWrite(t.Context(), tr)
		if key == "leaves" {
			for call, err := range everyRead(t.Context(), tr) {
				said[call] = err
			}
		}
		for call, err := range said {
			if key == "adds" && call != "Add" {
				continue
			}
			if !errors.Is(err, storage.ErrUnreadable) || !strings.Contains(err.Error(), "Clear the tree") {
				t.Errorf("%s is foreign: %s says %v", key, call, err)
			}
		}
		if got := s.Command("GET", "{tree:}"+key); got != "foreign" {
			t.Errorf("%s is %q now", key, got)
		}
		if key == "ends" && s.Command("ZRANGE", "{tree:}leaves", "0", "-1") != before {
			t.Error("leaves have changed where their ends are foreign")
		}
		noError(t, tr.Clear(t.Context()))
		set(t, tr, "a", 1)
		holds(t, tr, "a", int64(1))
	}
}

// What stands among the leaves and is none is told, or not seen, and nothing
// crashes.
func TestForeignLeaves(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	for name, members := range map[string][]string{
		"no JSON":           {"\x01a\x00 x"},
		"two values":        {"\x01a\x00 1 2"},
		"nothing":           {"\x01a\x00"},
		"an object":         {"\x01a\x00 {\"b\":1}"},
		"a hidden object":   {"\x01a\x00  {\"b\":1}"},
		"no space":          {"\x01a\x001"},
		"negative end":      {"\x01a\x00-5 1"},
		"endless end":       {"\x01a\x0099999999999999999999 1"},
		"empty element":     {"\x01a\x01\x00 1"},
		"cut escape":        {"\x01a\x01x\x02\x00 1"},
		"unknown escape":    {"\x01a\x01x\x02x\x00 1"},
		"no leaf":           {"\x01a\x01x"},
		"leaf below a leaf": {"\x01a\x00 1", "\x01a\x01b\x00 1"},
		"below an empty":    {"\x01a\x01b\x00 {}", "\x01a\x01b\x01c\x00 1"},
		"below another":     {"\x01a\x01b\x00 1", "\x01a\x01b\x01c\x00 1"},
		"twice":             {"\x01a\x01b\x00 1", "\x01a\x01b\x00 2"},
		"no UTF-8":          {"\x01a\x00 \"\xff\""},
		"half a pair":       {"\x01a\x00 \"\\ud800\""},
		"half a pair below": {"\x01a\x01b\x00 [\"\\ude00\\ud83d\"]"},
		"deep":              {strings.Repeat("\x01a", 1000) + "\x00 1"},
	} {
		for _, member := range members {
			s.Command("ZADD", "{tree:}leaves", "0", member)
		}
		if value, err := tr.Get(t.Context(), at("a")); !errors.Is(err, storage.ErrUnreadable) {
			t.Errorf("%s: Get returns %#v, %v", name, value, err)
		}
		if value, err := tree.Get[map[string]any](t.Context(), tr, tree.Root); !errors.Is(err, storage.ErrUnreadable) {
			t.Errorf("%s: Get returns %#v, %v", name, value, err)
		}
		if value, err := tree.Get[map[string]int](t.Context(), tr, at("a")); err == nil {
			t.Errorf("%s: Get returns %#v", name, value)
		}
		everyRead(t.Context(), tr)
		if _, err := tr.Expire(t.Context(), at("a"), time.Hour); err != nil {
			t.Errorf("%s: Expire says %v", name, err)
		}
		if err := tr.Set(t.Context(), at("a"), 1); err != nil {
			t.Errorf("%s: Set says %v", name, err)
		}
		holds(t, tr, "", object{"a": int64(1)})
		noError(t, tr.Clear(t.Context()))
	}
}
