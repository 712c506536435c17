package state

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/internal/checks"
)

// length is how many steps a member has in a schedule.
const length = 30

// TestSchedules has members share state while their server suffers. It runs 30
// schedules, or as many as PERENNIAL_SCHEDULES says, from a random seed or
// PERENNIAL_SEED; a schedule that goes wrong names its own, which is that of the
// first schedule of a run of one:
//
//	PERENNIAL_SEED=42 PERENNIAL_SCHEDULES=1 go test -run TestSchedules ./internal/integration/state
//
// A seed gives the same orders and the same faults; what meets what is up to the
// machine.
func TestSchedules(t *testing.T) {
	n, seed := number(t, "PERENNIAL_SCHEDULES", 30), number(t, "PERENNIAL_SEED", rand.Uint64()>>16)
	switch {
	case testing.Short():
		n = min(n, 4)
	case checks.Race && os.Getenv("PERENNIAL_SCHEDULES") == "": // in full they run without it
		n = 10
	}
	t.Logf("PERENNIAL_SEED=%d PERENNIAL_SCHEDULES=%d", seed, n)
	const lanes = 5 // of which each waits most of the time
	for lane := range min(lanes, n) {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			keeps, forgets := newWorld(t, false, ""), newWorld(t, true, "")
			for s := seed + lane; s < seed+n; s += lanes {
				w := keeps
				if s%3 == 2 {
					w = forgets
				}
				p := newPlan(s, length)
				if wrong := w.wrong(p); len(wrong) > 0 {
					t.Errorf("%v\n%s", p, strings.Join(wrong, "\n"))
				}
			}
		})
	}
}

// wrong carries a plan out and tells what is wrong with what comes of it.
func (w *world) wrong(p *plan) []string {
	w.t.Helper()
	h, err := w.run(p)
	if err != nil {
		return []string{err.Error()}
	}
	n := map[string]int{}
	for _, e := range h.events {
		n[e.report.Became]++
	}
	w.t.Logf("%v emptied %v; %v; %d late writes", p, h.emptied > 0, n, h.resource.late)
	return h.check()
}

func number(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		t.Fatalf("%s is %q: give it a number, or leave it out", name, text)
	}
	return n
}
