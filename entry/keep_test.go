package entry_test

import (
	"errors"
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/module"
)

// A node in memory is one line of the processor's cache because of this.
func TestSizeOfMeta(t *testing.T) {
	if size := unsafe.Sizeof(entry.Meta{}); size > 40 {
		t.Errorf("a Meta has %d bytes, want at most 40", size)
	}
}

func TestKeep(t *testing.T) {
	if entry.NewKeep(0) != nil || entry.NewKeep(-1) != nil {
		t.Error("a Keep that keeps nothing is not nil")
	}
	k := entry.NewKeep(time.Second)
	e := entry.Restore("v", 0, 10, 20)
	e.SetKeep(k)
	check := func(when string, noRefresh entry.Instant) {
		t.Helper()
		if e.KeepUntil() != entry.Instant(20).Add(time.Second) || e.ExpiresAfter() != 20 || e.Keep() != k || e.NoRefreshBefore(module.Only{}) != noRefresh {
			t.Errorf("%s: kept until %d, expires after %d, keep %v, no refresh before %d; want the latter %d", when, e.KeepUntil(), e.ExpiresAfter(), e.Keep(), e.NoRefreshBefore(module.Only{}), noRefresh)
		}
	}
	check("new", math.MinInt64)
	e.DelayRefresh(module.Only{}, entry.Never)
	check("while it is refreshed", entry.Never)
	e.DelayRefresh(module.Only{}, 15)
	check("after a refresh failed", 15)
	e.DelayRefresh(module.Only{}, 10)
	check("when it is due again", math.MinInt64)
	if e.SetKeep(nil); e.Keep() != nil || e.KeepUntil() != 20 {
		t.Error("no keep keeps")
	}
	if never := entry.Restore("v", 0, 0, entry.Never); never.KeepUntil() != entry.Never {
		t.Error("what never expires is not kept for ever")
	}
	e.SetKeep(k)
	if s := e.Shifted(5); s.Value != "v" || s.Created() != 5 || s.UpdateAfter() != 15 || s.ExpiresAfter() != 25 || s.Keep() != k {
		t.Errorf("shifted by 5: %v", s)
	}
}

// A negative entry reads as expired to whoever knows nothing of answers, and whatever
// is marked on it, it stays one.
func TestNegative(t *testing.T) {
	none := errors.New("none")
	e := entry.NewNegative[string](100, *entry.Answer(none, "text", entry.Life{UpdateAfter: 10, ExpireAfter: 30}, 100))
	check := func(when string) {
		t.Helper()
		n := e.Negative()
		if n == nil || n.Err != none || e.KeepUntil() != 130 || e.StateAt(101) != entry.Expired || e.ExpiresAfter() > 0 {
			t.Fatalf("%s: %+v, kept until %d, to who does not know %v", when, n, e.KeepUntil(), e.StateAt(101))
		}
		for now, want := range map[entry.Instant]entry.State{100: entry.Fresh, 109: entry.Fresh, 110: entry.Stale, 129: entry.Stale, 130: entry.Expired} {
			if got := e.AnswerAt(now); got != want || n.StateAt(now) != want {
				t.Errorf("%s: at %d it is %v and %v, want %v", when, now, got, n.StateAt(now), want)
			}
		}
	}
	check("new")
	for _, until := range []entry.Instant{entry.Never, 115, math.MinInt64} {
		e.DelayRefresh(module.Only{}, until)
		check("marked")
		if e.NoRefreshBefore(module.Only{}) != until {
			t.Errorf("no refresh before %d, want %d", e.NoRefreshBefore(module.Only{}), until)
		}
	}
	e.SetKeep(entry.NewKeep(time.Hour))
	check("kept")
	var copied entry.Entry[string]
	copied.FillFrom(e)
	if e = &copied; e.NoRefreshBefore(module.Only{}) != math.MinInt64 {
		t.Error("a copy has the mark of a refresh")
	}
	check("copied")
	if s := e.Shifted(7); s.Created() != 107 || s.Negative().UpdateAfter != 117 || s.KeepUntil() != 137 || s.Negative().Err != none {
		t.Errorf("shifted by 7: %v, %+v", s, s.Negative())
	}
	if v := entry.New("v", 0, entry.Life{ExpireAfter: 3}); v.Negative() != nil || v.AnswerAt(0) != v.StateAt(0) || v.AnswerAt(1) != v.StateAt(1) {
		t.Error("a value has an answer")
	}
}
