package storagetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var modelChecks = []bytesCheck{
	{Name: "random calls do what they do to a map", run: likeAMap},
}

// likeAMap makes random calls, and compares what they return with what a map
// says.
func likeAMap(t checks.TB, s *bytesSubject) {
	seed, steps := s.Seed, s.Steps
	if seed == 0 {
		seed = rand.Uint64()
	}
	if steps == 0 {
		if steps = 300; s.Exact {
			steps = 2000
		}
	}
	m := &model{
		t: t, s: s, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)),
		names:   []string{"a:1", "a:2", "a:*", "b:1", "b:\xff\x00", "c"},
		records: map[string]*modelRecord{},
		changes: map[string]int{},
	}
	calls := m.calls()
	for range steps {
		calls[m.rng.IntN(len(calls))]()
	}
	m.getEach()
}

// model is the map, and what was done to it.
type model struct {
	t    checks.TB
	s    *bytesSubject
	seed uint64
	rng  *rand.Rand
	done []string

	names      []string
	now        time.Duration
	records    map[string]*modelRecord
	generation int
	claims     []modelClaim
	changes    map[string]int // of each name's value
	seen       []modelVersion
	made       []modelSwap
}

// modelVersion is what a name was seen to be.
type modelVersion struct {
	name, version string
	change        int
	none          bool
}

// modelSwap is a change that was made, and when.
type modelSwap struct {
	name   string
	sent   storage.Change
	change int
	at     time.Duration
}

// modelRecord is what there is for a name: a value, a generation, or both.
type modelRecord struct {
	value      string
	has        bool
	end        time.Duration // of the value, if it is not Forever
	forever    bool
	generation int           // 0 where there is none
	held       time.Duration // the end of the generation
	claims     int           // of the generation
	filled     int           // the number of the claim whose value is there
}

type modelClaim struct {
	name       string
	token      string
	generation int
	until      time.Duration
	number     int
	filled     int    // that of the value that it has found
	found      string // which is this
	has        bool   // it has found a value
}

// calls are what is chosen from, what there is more of more often.
func (m *model) calls() []func() {
	calls := []func(){m.get, m.get, m.set, m.set, m.set, m.delete}
	if m.s.can(Bulk) {
		calls = append(calls, m.getMany, m.setMany, m.deleteMany)
	}
	if m.s.can(Adder) {
		calls = append(calls, m.add, m.add)
	}
	if m.s.can(Toucher) {
		calls = append(calls, m.touch, m.touch)
	}
	if m.s.can(Lister) {
		calls = append(calls, m.keys, m.clear)
	}
	if m.s.can(Fenced) {
		calls = append(calls, m.claim, m.claim, m.claim, m.fill, m.fill, m.fill, m.fill)
	}
	if m.s.can(Swapper) {
		calls = append(calls, m.compareAndSwap, m.compareAndSwap)
	}
	if m.s.can(Versioned) {
		calls = append(calls, m.look, m.look, m.swap, m.swap, m.swap)
	}
	if m.s.Exact && m.s.Advance != nil && !m.s.Timeless {
		calls = append(calls, m.advance, m.advance, m.advance)
	}
	return calls
}

// did puts down a call and what it said.
func (m *model) did(format string, args ...any) {
	m.done = append(m.done, fmt.Sprintf("%v: ", m.now)+fmt.Sprintf(format, args...))
}

// check compares what was said with what the map says.
func (m *model) check(err error, got, want any) {
	m.t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); err != nil || g != w {
		m.t.Fatalf("Store.Seed %d, step %d: %s\nreturns %s, %v\nwant    %s\nafter\n%s",
			m.seed, len(m.done), m.done[len(m.done)-1], g, err, w, strings.Join(m.done[max(0, len(m.done)-25):len(m.done)-1], "\n"))
	}
}

// at is the name's record, after the time that has passed.
func (m *model) at(name string) *modelRecord {
	r := m.records[name]
	if r == nil {
		r = &modelRecord{}
		m.records[name] = r
	}
	if r.has && !r.forever && r.end <= m.now {
		r.has = false
	}
	if !r.has && r.held <= m.now {
		r.generation, r.claims = 0, 0
	}
	if !r.has {
		r.filled = 0
	}
	return r
}

// store is Set, and where fill is true, Fill of a claim that is good.
func (m *model) store(name, value string, keep time.Duration, fill bool) {
	r := m.at(name)
	m.changes[name]++
	if !fill {
		r.generation, r.held, r.claims, r.filled = 0, 0, 0, 0
	}
	r.value, r.has, r.forever, r.end = value, keep > 0, keep == storage.Forever || m.s.Timeless, m.now+keep
}

// expected is what Get of the name returns.
func (m *model) expected(name string) string {
	r := m.at(name)
	if !r.has {
		return "nothing"
	}
	if m.s.Exact && !m.s.LeftUnknown && !m.s.Timeless {
		left := storage.Forever
		if !r.forever {
			left = r.end - m.now
		}
		return fmt.Sprintf("%.80q for %v", r.value, left)
	}
	return fmt.Sprintf("%.80q", r.value)
}

// shown is a record as expected has it.
func (m *model) shown(r storage.Record) string {
	switch {
	case !r.Found:
		return "nothing"
	case m.s.Exact && !m.s.LeftUnknown && !m.s.Timeless:
		return fmt.Sprintf("%.80q for %v", r.Value, r.Left)
	}
	return fmt.Sprintf("%.80q", r.Value)
}
