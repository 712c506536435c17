package memoize

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
	var d doubts[string]
	forgotten := func(what string, want bool) {
		t.Helper()
		if got := len(d.keys) == 0; got != want || d.any.Load() == want {
			t.Errorf("%s: %d keys are remembered, of any: %v", what, len(d.keys), d.any.Load())
		}
	}
	first := d.begin("a", false, now)
	forgotten("a write runs", false)
	second := d.begin("a", false, now)
	d.end(first, true, now, longAgo)
	forgotten("another runs", false)
	if d.end(second, true, now, now); d.pending() {
		t.Error("a write is pending")
	}
	forgotten("what was to arrive until now has arrived", true)
	failed := d.begin("a", false, now)
	d.suspect(failed, now)
	d.end(failed, false, now, longAgo)
	forgotten("a write has failed", false)
	if !d.has("a") {
		t.Error("a key whose write has failed is not in doubt")
	}
	d.end(d.begin("a", false, now), true, now, longAgo)
	forgotten("a later one has not", true)
}

// A key whose write may still arrive is in doubt from an invalidation on that comes
// before that instant, and not from one that comes at it.
func TestDoubtEndsWhenNothingCanArrive(t *testing.T) {
	const now, late = entry.Instant(time.Hour), entry.Instant(2 * time.Hour)
	for at, want := range map[entry.Instant]bool{late - 1: true, late: false, late + 1: false} {
		var d doubts[string]
		d.end(d.begin("a", false, now), false, now, late)
		w := d.begin("a", true, at)
		if d.has("a") != want {
			t.Errorf("invalidated at %v the key is in doubt: %v", at-late, !want)
		}
		d.end(w, true, at, longAgo)
		if d.has("a") != want {
			t.Errorf("after one at %v the key is in doubt: %v", at-late, !want)
		}
		d.end(d.begin("a", true, late), true, late, longAgo)
		if d.has("a") {
			t.Error("a write once nothing can arrive has settled nothing")
		}
	}
}

// Keys of which nothing more can arrive are let go of, once every 64 that are new.
func TestDoubtsAreTidied(t *testing.T) {
	const now, late = entry.Instant(time.Hour), entry.Instant(2 * time.Hour)
	var d doubts[string]
	write := func(key string, now entry.Instant) {
		d.end(d.begin(key, false, now), false, now, now.Add(time.Hour))
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
	var d doubts[string]
	fail := func(key string, until entry.Instant) {
		w := d.begin(key, false, now)
		d.suspect(w, now)
		d.end(w, false, now, until)
	}
	doubtful := func(what string, key, created bool) {
		t.Helper()
		if d.has("a") != key || d.reject(now) != created {
			t.Errorf("%s: the key is in doubt: %v, what was created is: %v", what, d.has("a"), d.reject(now))
		}
	}
	d.distrust(now)
	fail("a", now)
	doubtful("before", true, true)
	if d.reject(now + 1) {
		t.Error("what was created later is in doubt")
	}
	d.cleared(d.clearing(now), now)
	doubtful("after a clear", false, false)
	if d.any.Load() {
		t.Error("keys are looked for, and none is in doubt")
	}
	since := d.clearing(now)
	fail("a", now)
	d.distrust(now)
	d.cleared(since, now)
	doubtful("after one that they overlap", true, true)
	d.cleared(d.clearing(now), now)
	doubtful("after another", false, false)
	fail("a", late)
	d.cleared(d.clearing(now), now)
	doubtful("while something may arrive", true, false)
	if !d.any.Load() {
		t.Error("no key is looked for, and one is in doubt")
	}
	d.cleared(d.clearing(late), late)
	doubtful("when nothing can any more", false, false)
	w := d.begin("a", false, now)
	d.end(w, false, now, longAgo)
	since = d.clearing(now)
	d.suspect(w, now)
	d.cleared(since, now)
	doubtful("of a write that is found to have failed while it runs", true, false)
}
