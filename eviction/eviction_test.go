package eviction_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
)

var keys = []string{"a", "b", "c", "d", "e", "f", "g", "h"}

func TestNoneNamesNothing(t *testing.T) {
	s := eviction.None[string]()
	for _, key := range keys {
		s.MarkWritten(key, new(entry.Meta), nil)
		if victim, ok := s.NextToRelease(); ok {
			t.Fatalf("it names %q", victim)
		}
	}
}

// The order is that of the last write.
func TestLeastRecentlyUpdatedOrder(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int
		does     string   // w: write, r: read, x: release
		named    []string // after each write in turn, nothing where none
	}{
		{"the oldest goes", 2, "wa wb wc wd", []string{"", "", "a", "b"}},
		{"a write makes young", 2, "wa wb wa wc", []string{"", "", "", "b"}},
		{"a read does not", 2, "wa wb ra wc", []string{"", "", "a"}},
		{"a release makes room", 2, "wa wb xa wc wd", []string{"", "", "", "b"}},
		{"capacity 1", 1, "wa wa wb", []string{"", "", "a"}},
		{"capacity 0 keeps nothing", 0, "wa wb wa", []string{"a", "b", "a"}},
		{"a negative one is 0", -5, "wa wb", []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := eviction.LeastRecentlyUpdated[string](c.capacity)
			var named []string
			held := map[string]*entry.Meta{}
			for _, step := range strings.Fields(c.does) {
				switch key := step[1:]; step[0] {
				case 'r':
					s.MarkRead(key)
				case 'x':
					s.MarkReleased(key, held[key])
					delete(held, key)
				case 'w':
					e := new(entry.Meta)
					s.MarkWritten(key, e, held[key])
					held[key] = e
					victim, _ := s.NextToRelease()
					named = append(named, victim)
				}
			}
			if !slices.Equal(named, c.named) {
				t.Fatalf("it names %q, want %q", named, c.named)
			}
		})
	}
}

// Any sequence of marks leaves what a list in order of writing would.
func FuzzLeastRecentlyUpdated(f *testing.F) {
	f.Add(3, []byte("wawbwcwdxbwe"))
	f.Add(0, []byte("wawa"))
	f.Fuzz(func(t *testing.T, capacity int, does []byte) {
		s := eviction.LeastRecentlyUpdated[byte](capacity)
		var order []byte // the oldest first
		held := map[byte]*entry.Meta{}
		drop := func(key byte) { order = slices.DeleteFunc(order, func(k byte) bool { return k == key }) }
		for i := 0; i+1 < len(does); i += 2 {
			key := does[i+1]
			if does[i] == 'x' {
				s.MarkReleased(key, held[key])
				delete(held, key)
				drop(key)
				continue
			}
			e := new(entry.Meta)
			s.MarkWritten(key, e, held[key])
			held[key] = e
			drop(key)
			order = append(order, key)
			victim, ok := s.NextToRelease()
			if want := len(order) > max(0, capacity); ok != want || ok && victim != order[0] {
				t.Fatalf("it names %v, %v; the order is %v", victim, ok, order)
			}
			if ok {
				order = order[1:]
			}
		}
	})
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		s    eviction.Strategy[string]
		want string
	}{
		{eviction.LeastRecentlyUpdated[string](7), "LeastRecentlyUpdated[capacity 7]"},
		{eviction.None[string](), "None"},
	} {
		if got := fmt.Sprint(c.s); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
