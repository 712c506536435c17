package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
	"github.com/perennial-go/perennial/entry"
)

// scribe notes what it is told. It names the key that was written first where
// there are more than it lets live.
type scribe struct {
	said  []string
	order []uint64
	metas map[uint64]*entry.Meta
	most  int
}

func (s *scribe) say(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

func (s *scribe) MarkRead(key uint64) { s.say("read %d", key) }

func (s *scribe) MarkWritten(key uint64, e, old *entry.Meta) {
	s.say("written %d, old %v", key, old != nil)
	s.order = append(s.order, key)
	s.metas[key] = e
}

func (s *scribe) NextToRelease() (uint64, bool) {
	if len(s.order) <= s.most {
		return 0, false
	}
	first := s.order[0]
	s.order = s.order[1:]
	s.say("names %d", first)
	return first, true
}

func (s *scribe) MarkReleased(key uint64, old *entry.Meta) {
	s.say("released %d, its own %v", key, old != nil && old == s.metas[key])
}

// marking learns of reads through the entry.
type marking struct{ *scribe }

func (m marking) Mark(e *entry.Meta) {
	for key, meta := range m.metas {
		if meta == e {
			m.say("mark %d", key)
		}
	}
}

// blind does not learn of them.
type blind struct{ *scribe }

func (blind) IgnoresReads() {}

func TestBareTellsInTheEnginesOrder(t *testing.T) {
	newScribe := func() *scribe { return &scribe{metas: map[uint64]*entry.Meta{}, most: 2} }
	plain, marks, blindly := newScribe(), newScribe(), newScribe()
	for _, c := range []struct {
		name string
		bare *bare
		said *[]string
		read []string
	}{
		{"a plain strategy", newBare(plain, terms{capacity: 2}), &plain.said, []string{"read 1"}},
		{"a Marker", newBare(marking{marks}, terms{capacity: 2}), &marks.said, []string{"mark 1"}},
		{"a Blind one", newBare(blind{blindly}, terms{capacity: 2}), &blindly.said, nil},
	} {
		for _, key := range []uint64{1, 2, 1, 3} {
			c.bare.get(trace.Request{Key: key, Size: 1})
		}
		want := slices.Concat([]string{"written 1, old false", "written 2, old false"}, c.read,
			[]string{"written 3, old false", "names 1", "released 1, its own true"})
		if !slices.Equal(*c.said, want) {
			t.Errorf("%s is told\n%q, want\n%q", c.name, *c.said, want)
		}
	}
}

// costly is told what entries have cost.
type costly struct{ *scribe }

func (c costly) MarkLoaded(key uint64, e, old *entry.Meta, weight int, took time.Duration) {
	c.MarkWritten(key, e, old)
	c.say("loaded %d in %v, weight %d", key, took, weight)
}

// A strategy that wants to know is told how long loads take, however long that is.
func TestBareTellsWhatLoadsCost(t *testing.T) {
	s := &scribe{metas: map[uint64]*entry.Meta{}, most: 9}
	b := newBare(costly{s}, terms{capacity: 9})
	for key, cost := range []float64{0, 1, 2.5, 1e300} {
		b.get(trace.Request{Key: uint64(key), Size: 7, Cost: cost})
	}
	got := slices.DeleteFunc(s.said, func(text string) bool { return !strings.HasPrefix(text, "loaded") })
	want := []string{
		"loaded 0 in 0s, weight 1", "loaded 1 in 1ms, weight 1", "loaded 2 in 2.5ms, weight 1",
		fmt.Sprintf("loaded 3 in %v, weight 1", took(1e300)),
	}
	if !slices.Equal(got, want) {
		t.Errorf("it is told\n%q, want\n%q", got, want)
	}
	if d := took(1e300); d < 100*365*24*time.Hour {
		t.Errorf("a load that never ends takes %v", d)
	}
}

// heavy lets entries of a weight live, the last ones.
type heavy struct {
	*scribe
	capacity, weight int
	weights          map[uint64]int
}

func (h *heavy) MarkWeighed(key uint64, e, old *entry.Meta, weight int) {
	h.MarkWritten(key, e, old)
	h.weights[key] = weight
	h.weight += weight
}

func (h *heavy) NextToRelease() (uint64, bool) {
	if h.weight <= h.capacity {
		return 0, false
	}
	h.most = len(h.order) - 1
	victim, ok := h.scribe.NextToRelease()
	h.weight -= h.weights[victim]
	return victim, ok
}

func (h *heavy) Victims(int) []uint64 {
	if victim, ok := h.NextToRelease(); ok {
		return []uint64{victim}
	}
	return nil
}

// Bytes are released until what is held fits.
func TestBareCountsBytes(t *testing.T) {
	s := &heavy{scribe: &scribe{metas: map[uint64]*entry.Meta{}}, capacity: 10, weights: map[uint64]int{}}
	b := newBare(s, terms{capacity: 10, bytes: true})
	for key, size := range []int64{1, 1, 3, 5, 9} {
		b.get(trace.Request{Key: uint64(key), Size: size})
	}
	if b.volume != 9 || len(b.entries) != 1 || b.held() != 10 {
		t.Errorf("it holds %d bytes in %d entries, and held %d; want 9 in 1, and 10", b.volume, len(b.entries), b.held())
	}
	if b := newBare(s, terms{capacity: 10}); b.weigher != nil {
		t.Error("bytes count where entries do")
	}
}
