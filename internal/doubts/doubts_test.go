package doubts

import (
	"strconv"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// A write that is acknowledged leaves nothing behind: no key is remembered, and none
// is looked for.
func TestDoubtsForgetWhatIsOver(t *testing.T) {
	const now = entry.Instant(time.Hour)
	var d Keys[string]
	forgotten := func(what string, want bool) {
		t.Helper()
		if got := len(d.keys) == 0; got != want || d.any.Load() == want {
			t.Errorf("%s: %d keys are remembered, of any: %v", what, len(d.keys), d.any.Load())
		}
	}
	first := d.Begin("a", false, now)
	forgotten("a write runs", false)
	second := d.Begin("a", false, now)
	d.End(first, true, now, LongAgo)
	forgotten("another runs", false)
	if d.End(second, true, now, now); d.Pending() {
		t.Error("a write is pending")
	}
	forgotten("what was to arrive until now has arrived", true)
	failed := d.Begin("a", false, now)
	d.Suspect(failed, now)
	d.End(failed, false, now, LongAgo)
	forgotten("a write has failed", false)
	if !d.Has("a") {
		t.Error("a key whose write has failed is not in doubt")
	}
	d.End(d.Begin("a", false, now), true, now, LongAgo)
	forgotten("a later one has not", true)
}

// A key whose write may still arrive is in doubt from an invalidation on that comes
// before that instant, and not from one that comes at it.
func TestDoubtEndsWhenNothingCanArrive(t *testing.T) {
	const now, late = entry.Instant(time.Hour), entry.Instant(2 * time.Hour)
	for at, want := range map[entry.Instant]bool{late - 1: true, late: false, late + 1: false} {
		var d Keys[string]
		d.End(d.Begin("a", false, now), false, now, late)
		w := d.Begin("a", true, at)
		if d.Has("a") != want {
			t.Errorf("invalidated at %v the key is in doubt: %v", at-late, !want)
		}
		d.End(w, true, at, LongAgo)
		if d.Has("a") != want {
			t.Errorf("after one at %v the key is in doubt: %v", at-late, !want)
		}
		d.End(d.Begin("a", true, late), true, late, LongAgo)
		if d.Has("a") {
			t.Error("a write once nothing can arrive has settled nothing")
		}
	}
}

// Keys of which nothing more can arrive are let go of, once every 64 that are new.
func TestDoubtsAreTidied(t *testing.T) {
	const now, late = entry.Instant(time.Hour), entry.Instant(2 * time.Hour)
	var d Keys[string]
	write := func(key string, now entry.Instant) {
		d.End(d.Begin(key, false, now), false, now, now.Add(time.Hour))
	}
	for i := range 64 {
		write(strconv.Itoa(i), now)
	}
	if len(d.keys) != 64 {
		t.Errorf("%d keys are remembered of which something may arrive", len(d.keys))
	}
	if write("x", late); len(d.keys) != 1 {
		t.Errorf("%d keys are remembered, want the last one", len(d.keys))
	}
}

// Clearing settles what was in doubt when it began, by its key or by when it was
// created, and nothing that comes while it runs.
func TestDoubtsEndWithAClear(t *testing.T) {
	const now, late = entry.Instant(time.Hour), entry.Instant(2 * time.Hour)
	var d Keys[string]
	fail := func(key string, until entry.Instant) {
		w := d.Begin(key, false, now)
		d.Suspect(w, now)
		d.End(w, false, now, until)
	}
	doubtful := func(what string, key, created bool) {
		t.Helper()
		if d.Has("a") != key || d.Reject(now) != created {
			t.Errorf("%s: the key is in doubt: %v, what was created is: %v", what, d.Has("a"), d.Reject(now))
		}
	}
	d.Distrust(now)
	fail("a", now)
	doubtful("before", true, true)
	if d.Reject(now + 1) {
		t.Error("what was created later is in doubt")
	}
	d.Cleared(d.Clearing(now), now)
	doubtful("after a clear", false, false)
	if d.any.Load() {
		t.Error("keys are looked for, and none is in doubt")
	}
	since := d.Clearing(now)
	fail("a", now)
	d.Distrust(now)
	d.Cleared(since, now)
	doubtful("after one that they overlap", true, true)
	d.Cleared(d.Clearing(now), now)
	doubtful("after another", false, false)
	fail("a", late)
	d.Cleared(d.Clearing(now), now)
	doubtful("while something may arrive", true, false)
	if !d.any.Load() {
		t.Error("no key is looked for, and one is in doubt")
	}
	d.Cleared(d.Clearing(late), late)
	doubtful("when nothing can any more", false, false)
	w := d.Begin("a", false, now)
	d.End(w, false, now, LongAgo)
	since = d.Clearing(now)
	d.Suspect(w, now)
	d.Cleared(since, now)
	doubtful("of a write that is found to have failed while it runs", true, false)
}
