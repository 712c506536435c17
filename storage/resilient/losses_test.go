package resilient_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// owner is a process that alone changes some records, with what they should be.
type owner struct {
	store *resilient.Store
	way   *server
	want  map[string]string // "" where it was removed
	n     int
}

// change makes a change: p sets, u updates, r deletes, and anything else does nothing.
func (o *owner) change(t *testing.T, kind byte, key string) {
	t.Helper()
	o.n++
	text := fmt.Sprint(o.n, ";")
	var err error
	switch kind {
	case 'p':
		_, err = outcomeOf(o.store.Set(t.Context(), key, []byte("="+text), storage.Forever))
		o.want[key] = "=" + text
	case 'u':
		_, _, err = updated(o.store.Update(t.Context(), key, appends(text)))
		o.want[key] += text
	case 'r':
		_, err = deleted(o.store.Delete(t.Context(), key))
		o.want[key] = ""
	}
	if err != nil {
		t.Fatalf("%c of %q: %v", kind, key, err)
	}
	later(0) // its watch has told
}

// check checks that every record is as it was made last.
func (o *owner) check(t *testing.T, seen *events) {
	t.Helper()
	for key, want := range o.want {
		r, err := o.way.Get(t.Context(), key)
		if err != nil || string(r.Value) != want {
			t.Errorf("%q is %q, %v in the end; want %q", key, r.Value, err, want)
		}
	}
	for _, kind := range []resilient.Kind{resilient.Conflict, resilient.Dropped, resilient.Refused} {
		if told := seen.of(kind); len(told) > 0 {
			t.Errorf("nobody else changes the records, and it is told of %+v", told)
		}
	}
}

func (p *pair) owner(i int) *owner {
	return &owner{store: p.ones[i], way: p.ways[i], want: map[string]string{}}
}

// If a server loses its data two or three times, what a process has made, and made again,
// is there in the end, with its changes in between.
func TestOwnRecordsOutliveTwoLosses(t *testing.T) {
	kinds := map[byte]string{0: "nothing", 'p': "a put", 'u': "an update"}
	for _, first := range []byte{0, 'p', 'u'} {
		for _, between := range []byte{0, 'p'} {
			for _, second := range []byte{0, 'p', 'u'} {
				t.Run(fmt.Sprintf("%s, then %s, then %s", kinds[first], kinds[between], kinds[second]), func(t *testing.T) {
					pairs(t, func(t *testing.T, p *pair) {
						o := p.owner(0)
						o.change(t, 'p', "a")
						o.change(t, 'p', "untouched")
						for _, meanwhile := range []byte{first, second} {
							p.stop()
							o.change(t, meanwhile, "a")
							p.empty()
							p.start()
							later(10 * time.Second)
							if meanwhile == first {
								o.change(t, between, "a")
							}
						}
						later(time.Minute)
						o.check(t, p.seen[0])
					})
				})
			}
		}
	}
}

// Random plans of two or three losses, some before all records are there again or
// watched. It runs 500 plans from a random seed, or the one of PERENNIAL_SEED.
func TestRandomLosses(t *testing.T) {
	plans, first := 500, rand.Uint64()>>1
	if testing.Short() {
		plans = 50
	}
	if text := os.Getenv("PERENNIAL_SCHEDULES"); text != "" {
		plans, _ = strconv.Atoi(text)
	}
	if text := os.Getenv("PERENNIAL_SEED"); text != "" {
		first, _ = strconv.ParseUint(text, 10, 64)
		plans = 1
	}
	t.Logf("seeds from %d", first)
	for seed := first; seed < first+uint64(plans); seed++ {
		random := rand.New(rand.NewPCG(seed, 0))
		pairs(t, func(t *testing.T, p *pair) {
			if trace := planOfLosses(t, p, random); t.Failed() {
				t.Logf("PERENNIAL_SEED=%d:\n%s", seed, strings.Join(trace, "\n"))
			}
		}, resilient.InDoubt(storage.Forever), resilient.Random(func(below time.Duration) time.Duration {
			return below / 2 // of the seed alone, whichever process asks first
		}))
		if t.Failed() {
			return
		}
	}
}

// planOfLosses carries out one plan and returns its steps.
func planOfLosses(t *testing.T, p *pair, random *rand.Rand) (trace []string) {
	began := time.Now()
	note := func(format string, args ...any) {
		trace = append(trace, fmt.Sprintf("%v ", time.Since(began))+fmt.Sprintf(format, args...))
	}
	owners := []*owner{p.owner(0), p.owner(1)}
	changes := func(most int) {
		for range random.IntN(most + 1) {
			i, key, kind := random.IntN(2), random.IntN(3), "ppuuur"[random.IntN(6)]
			note("process %d: %c of %d.%d", i, kind, i, key)
			owners[i].change(t, kind, fmt.Sprintf("%d.%d", i, key))
		}
	}
	wait := func(most time.Duration) {
		d := time.Duration(random.Int64N(int64(most)))
		note("%v pass", d)
		later(d)
	}
	delay := time.Duration(random.IntN(3)) * 5 * time.Millisecond
	for _, way := range p.ways {
		way.set(func(s *server) { s.delay = delay })
	}
	changes(6)
	wait(time.Second)
	for range 2 + random.IntN(2) {
		note("the server is gone")
		p.stop()
		changes(4)
		wait(10 * time.Second)
		note("the server is back, empty")
		p.empty()
		p.start()
		if random.IntN(2) == 0 { // and is asked at once, and perhaps not for long
			for _, o := range owners {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				go func() { defer cancel(); _ = o.store.Flush(ctx) }()
			}
			wait(100 * time.Millisecond)
			continue
		}
		wait(40 * time.Second)
		changes(4)
	}
	later(2 * time.Minute)
	for i, o := range owners {
		o.check(t, p.seen[i])
		for _, e := range p.seen[i].sofar() {
			trace = append(trace, fmt.Sprintf("%v process %d: %v of %q %q: %d, %v", e.Time.Sub(began), i, e.Kind, e.Key, e.Value, e.Changes, e.Err))
		}
	}
	return trace
}
