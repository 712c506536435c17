package tree_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/tree"
)

func isLeft(t testing.TB, tr *tree.Tree, path string, want time.Duration) {
	t.Helper()
	left, err := tr.TimeToLive(t.Context(), at(path))
	if err != nil || left > want || want != storage.Forever && left < want-patient || want == storage.Forever && left != want {
		t.Errorf("TimeToLive(%q) says %v, %v; want %v", path, left, err, want)
	}
}

// A node lives as long as the last of what is below it, and Expire is for all of
// that.
func TestLives(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "a", object{"b": 1, "c": object{"d": 2}}, tree.For(time.Hour))
	isLeft(t, tr, "a.b", time.Hour)
	isLeft(t, tr, "", time.Hour)
	set(t, tr, "a.e", 3, tree.For(2*time.Hour))
	isLeft(t, tr, "a", 2*time.Hour)
	isLeft(t, tr, "a.c", time.Hour)
	set(t, tr, "a.f", 4)
	isLeft(t, tr, "a", storage.Forever)
	if existed, err := tr.Expire(t.Context(), at("a"), 3*time.Hour); err != nil || !existed {
		t.Errorf("Expire says %v, %v", existed, err)
	}
	for _, path := range []string{"", "a", "a.b", "a.c.d", "a.f"} {
		isLeft(t, tr, path, 3*time.Hour)
	}
	if existed, err := tr.Expire(t.Context(), at("a.c"), storage.Forever); err != nil || !existed {
		t.Errorf("Expire says %v, %v", existed, err)
	}
	isLeft(t, tr, "a.c.d", storage.Forever)
	isLeft(t, tr, "a.b", 3*time.Hour)
	set(t, tr, "a.c.d", 5, tree.For(100*365*24*time.Hour))
	isLeft(t, tr, "a.c.d", 100*365*24*time.Hour)
	set(t, tr, "a.c.d", 6)
	isLeft(t, tr, "a.c.d", storage.Forever)
	if existed, err := tr.Expire(t.Context(), at("none"), time.Hour); err != nil || existed {
		t.Errorf("Expire of nothing says %v, %v", existed, err)
	}
	if _, err := tr.TimeToLive(t.Context(), at("none")); !errors.Is(err, tree.ErrNotFound) {
		t.Errorf("TimeToLive of nothing says %v", err)
	}
}

// What has ended is found by nobody, whether or not it lies about, and what is
// beside it is.
func TestWhatHasEndedIsGone(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "a.kept", 1)
	for i := range 600 { // more than a page of leaves that have ended comes first
		set(t, tr, fmt.Sprintf("a.brief.n%03d", i), i, tree.For(time.Hour))
	}
	set(t, tr, "a.brief.z", "last", tree.For(time.Hour))
	endNow(t, tr, "a.brief")
	existence(t, tr, "a.brief", false)
	existence(t, tr, "a", true)
	holds(t, tr, "", object{"a": object{"kept": int64(1)}})
	if got := children(t, tr, "a.brief"); got != nil {
		t.Errorf("children are %q", got)
	}
	if got := children(t, tr, "a"); len(got) != 1 {
		t.Errorf("children are %q", got)
	}
	if got := leaves(t, tr, "a"); len(got) != 1 {
		t.Errorf("leaves are %v", got)
	}
	isLeft(t, tr, "a", storage.Forever)
	if existed, err := tr.Expire(t.Context(), at("a.brief"), time.Hour); err != nil || existed {
		t.Errorf("Expire says %v, %v", existed, err)
	}
	existence(t, tr, "a.brief", false)
	if existed, err := tr.Delete(t.Context(), at("a.brief")); err != nil || existed {
		t.Errorf("Delete says %v, %v", existed, err)
	}
	set(t, tr, "a.brief.z", 5, tree.For(time.Millisecond))
	waitFor(t, func() bool { return lookUp(t, tr, at("a.brief.z")) == nothing })
	if sum, err := tr.Add(t.Context(), at("a.brief.z"), 1); err != nil || sum != 1 {
		t.Errorf("Add to what has ended says %v, %v", sum, err)
	}
	isLeft(t, tr, "a.brief.z", storage.Forever)
	set(t, tr, "b.c", 1, tree.For(time.Millisecond))
	waitFor(t, func() bool { return lookUp(t, tr, at("b.c")) == nothing })
	if sum, err := tr.Add(t.Context(), at("b"), 1); err != nil || sum != 1 {
		t.Errorf("Add where a node has ended says %v, %v", sum, err)
	}
}

// endNow has a node end, and waits until it has. Others must go on.
func endNow(t testing.TB, tr *tree.Tree, path string) {
	t.Helper()
	if _, err := tr.Expire(t.Context(), at(path), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return lookUp(t, tr, at(path)) == nothing })
}

func size(t testing.TB, s *servers.Server, key string) int {
	t.Helper()
	n, err := strconv.Atoi(s.Command("ZCARD", "{tree:}"+key))
	noError(t, err)
	return n
}

// What has ended goes in bounded steps, with the writes of others, so that it
// never heaps up: and at once where nothing else is there.
func TestWhatHasEndedIsPurged(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	set(t, tr, "kept", 1)
	brief := object{}
	for i := range 1000 {
		brief[fmt.Sprint("n", i)] = i
	}
	set(t, tr, "brief", brief, tree.For(time.Hour))
	endNow(t, tr, "brief")
	before := size(t, s, "leaves")
	if before != 1+1000 && before != 1 {
		t.Errorf("%d leaves lie about", before)
	}
	for writes := 0; size(t, s, "ends") > 0; writes++ {
		if writes > 1000/64+1 {
			t.Fatalf("after %d writes %d have not gone", writes, size(t, s, "ends"))
		}
		left := size(t, s, "leaves")
		set(t, tr, "kept", writes)
		if gone := left - size(t, s, "leaves"); gone > 65 {
			t.Errorf("a write of one leaf has purged %d", gone)
		}
	}
	if n := size(t, s, "leaves"); n != 1 {
		t.Errorf("%d leaves are left, want 1", n)
	}
	for range 5 { // each brings as many as it takes away
		set(t, tr, "brief", brief, tree.For(time.Millisecond))
	}
	if n := size(t, s, "leaves"); n > 1001 {
		t.Errorf("%d leaves lie about", n)
	}
}

// A tree of which all ends is gone without anyone asking for it, and no sooner.
func TestKeysEndWithTheLastLeaf(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	lives := func(want string) {
		t.Helper()
		for _, key := range []string{"leaves", "ends"} {
			got := s.Command("PEXPIRETIME", "{tree:}"+key)
			if want == "none" && got != "-1" && got != "-2" || want == "ends" && (got == "-1" || got == "-2") {
				t.Errorf("%s end at %s, want %s", key, got, want)
			}
		}
	}
	set(t, tr, "a", 1, tree.For(time.Hour))
	lives("ends")
	set(t, tr, "b", 1, tree.For(2*time.Hour))
	lives("ends")
	if a, b := s.Command("PEXPIRETIME", "{tree:}leaves"), s.Command("ZRANGE", "{tree:}ends", "1", "1", "WITHSCORES"); b != "\x01b\n"+a {
		t.Errorf("the keys end at %s, and the last is %q", a, b)
	}
	set(t, tr, "c", 1)
	lives("none")
	_, err := tr.Delete(t.Context(), at("c"))
	noError(t, err)
	lives("ends")
	_, err = tr.Expire(t.Context(), at("a"), storage.Forever)
	noError(t, err)
	lives("none")
	_, err = tr.Expire(t.Context(), tree.Root, time.Hour)
	noError(t, err)
	lives("ends")
	_, err = tr.Add(t.Context(), at("n"), 1)
	noError(t, err)
	lives("none")
	_, err = tr.Expire(t.Context(), tree.Root, time.Millisecond)
	noError(t, err)
	waitFor(t, func() bool { return s.Command("EXISTS", "{tree:}leaves", "{tree:}ends") == "0" })
}

// Where the server evicts one of the keys, the other says nothing wrong.
func TestKeysAreEvicted(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	set(t, tr, "a", 1, tree.For(time.Hour))
	s.Command("DEL", "{tree:}leaves")
	holds(t, tr, "", nothing)
	set(t, tr, "b", 2)
	isLeft(t, tr, "b", storage.Forever)
	if got := s.Command("PTTL", "{tree:}leaves"); got != "-1" {
		t.Errorf("a tree that does not end ends in %s ms", got)
	}
	set(t, tr, "c", 3, tree.For(time.Hour))
	s.Command("DEL", "{tree:}ends")
	holds(t, tr, "", object{"b": int64(2), "c": int64(3)})
	isLeft(t, tr, "c", time.Hour)
	if _, err := tr.Expire(t.Context(), at("c"), time.Millisecond); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool { return lookUp(t, tr, at("c")) == nothing })
	holds(t, tr, "", object{"b": int64(2)})
}

// The keys of leaves and of their ends have the same end, but the server does not
// take them away at once: what has ended is hidden though its index is gone.
func TestWhatHasEndedWithoutItsIndex(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	lost := func() {
		t.Helper()
		noError(t, tr.Clear(t.Context()))
		s.Command("ZADD", "{tree:}leaves", "0", "\x01a\x001000 1")
	}
	for _, path := range []string{"", "a"} {
		lost()
		existence(t, tr, path, false)
		if existed, err := tr.Delete(t.Context(), at(path)); err != nil || existed {
			t.Errorf("Delete(%q) of what has ended says %v, %v", path, existed, err)
		}
		if left := s.Command("EXISTS", "{tree:}leaves"); left != "0" {
			t.Errorf("Delete(%q) leaves what has ended", path)
		}
		lost()
		if existed, err := tr.Expire(t.Context(), at(path), time.Hour); err != nil || existed {
			t.Errorf("Expire(%q) of what has ended says %v, %v", path, existed, err)
		}
		lost()
		s.Command("ZADD", "{tree:}leaves", "0", "\x01b\x00 2")
		if existed, err := tr.Delete(t.Context(), at("")); err != nil || !existed {
			t.Errorf("Delete beside what has ended says %v, %v", existed, err)
		}
	}
}
