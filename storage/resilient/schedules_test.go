package resilient_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// schedules is how many random schedules are run, unless PERENNIAL_SCHEDULES is set.
const schedules = 1000

// TestSchedules runs random schedules of clients, each with faults of its own on the way
// to one server, that set, delete and update a few records. It checks what the server is
// asked to do and what the clients are told: see history.
//
//	PERENNIAL_SCHEDULES=100000 go test -run TestSchedules -timeout 1h
//	PERENNIAL_SEED=42 go test -run TestSchedules -v        # repeats one
func TestSchedules(t *testing.T) {
	n, first := schedules, rand.Uint64()>>1
	if text := os.Getenv("PERENNIAL_SCHEDULES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if testing.Short() || checks.Race && n == schedules {
		n = min(n, 200)
	}
	if text := os.Getenv("PERENNIAL_SEED"); text != "" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		n = 1
	}
	t.Logf("seeds from %d", first)
	var all tally
	for i := range uint64(n) {
		faults := schedule(t, first+i, nil, &all)
		if len(faults) > 0 {
			t.Fatalf("PERENNIAL_SEED=%d:\n%s", first+i, strings.Join(faults, "\n"))
		}
	}
	t.Logf("%d schedules: %+v", n, all)
	if n >= 100 && (all.Committed == 0 || all.Queued == 0 || all.Delivered == 0 || all.Conflicts == 0 || all.InDoubt == 0 || all.Refused == 0 || all.Superseded == 0 || n >= schedules && all.Rewrites == 0) {
		t.Errorf("the schedules leave something out: %+v", all)
	}
}

// TestSchedulesFindBrokenServers runs the schedules over servers that break their
// promises.
func TestSchedulesFindBrokenServers(t *testing.T) {
	for _, c := range []struct {
		name string
		from uint64 // the first seed, not far from one that finds it out
		how  func(r *road)
	}{
		{"swaps without comparing", 0, func(r *road) { r.careless = true }},
		{"acknowledges what it does not do", 0, func(r *road) { r.lying = 0.05 }},
		{"does not know a change again", 800, func(r *road) { r.forgetful = true }},
		{"forgets what is deleted too early", 800, func(r *road) { r.amnesia = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(3000) {
				if faults := schedule(t, c.from+seed, c.how, &tally{}); len(faults) > 0 {
					t.Logf("seed %d: %s", c.from+seed, faults[0])
					return
				}
			}
			t.Error("it is not found out in 3000 schedules")
		})
	}
}

// tally counts what all schedules have met.
type tally struct {
	Committed, Queued, Delivered, Superseded, Conflicts, Dropped, InDoubt, Refused, Trips, Empties, Rewrites uint64
}

// schedule runs one schedule and returns what is wrong.
func schedule(t *testing.T, seed uint64, broken func(r *road), all *tally) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if r := recover(); r != nil {
				wrong = append(wrong, fmt.Sprint("panic: ", r))
			}
		}()
		run := newRun(seed, broken)
		steps := 20 + run.random.IntN(30)
		for range steps {
			run.step()
		}
		run.heal()
		run.end(all)
		if wrong = run.history.faults; os.Getenv("PERENNIAL_SEED") != "" {
			t.Log(strings.Join(run.history.trace, "\n"))
			for _, p := range run.places {
				for _, e := range p.seen.all {
					t.Logf("%s client %d: %v of %q %q, %v, %v", e.Time.Format("15:04:05.000"), p.id, e.Kind, e.Key, e.Value, e.Changes, e.Err)
				}
			}
		}
	})
	return wrong
}

// run is a schedule under way.
type run struct {
	random  *rand.Rand
	history *history
	places  []*place
	ids     int
	limit   int
	losses  int // of 100 steps so many empty the server
}

// place is a client.
type place struct {
	id      int
	road    *road
	store   *resilient.Store
	seen    *events
	stop    context.CancelFunc // of its watch
	watched chan struct{}
}

func newRun(seed uint64, broken func(r *road)) *run {
	run := &run{random: rand.New(rand.NewPCG(seed, 0)), history: newHistory(), limit: 1000, losses: 1}
	if seed%4 == 0 { // what is in doubt when data is lost is rare
		run.losses = 6
	}
	if run.random.IntN(4) == 0 {
		run.limit = 3 + run.random.IntN(5)
	}
	for id := range 2 + run.random.IntN(2) {
		p := &place{id: id, seen: &events{}}
		p.road = &road{random: rand.New(rand.NewPCG(seed, uint64(id)+1)), weather: rand.New(rand.NewPCG(seed, uint64(id)+50)), history: run.history, client: id, cut: make(chan struct{})}
		if broken != nil {
			broken(p.road)
		}
		opts := []resilient.Option{
			resilient.Observe(p.seen.add), resilient.Queue(run.limit, 0), resilient.WriteAgain(run.random.IntN(2) == 0),
			resilient.Random(func(below time.Duration) time.Duration { // of the seed and the time alone
				jitter := rand.New(rand.NewPCG(seed+uint64(id), uint64(time.Now().UnixNano())))
				return time.Duration(jitter.Int64N(int64(below)))
			}),
		}
		if run.random.IntN(4) == 0 {
			opts = append(opts, resilient.DropOldest())
		}
		if run.random.IntN(4) == 0 {
			opts = append(opts, resilient.Copy(1+run.random.IntN(2), 0))
			run.history.forgets[id] = true
		}
		var err error
		if p.store, err = resilient.New(p.road, opts...); err != nil {
			panic(err)
		}
		if run.random.IntN(2) == 0 {
			ctx, stop := context.WithCancel(context.Background())
			p.stop, p.watched = stop, make(chan struct{})
			go func() {
				defer close(p.watched)
				_ = p.store.Watch(ctx, "", func(storage.Changed) {})
			}()
		}
		run.places = append(run.places, p)
	}
	synctest.Wait()
	return run
}

// step does one thing.
func (run *run) step() {
	p := run.places[run.random.IntN(len(run.places))]
	switch n := run.random.IntN(100); {
	case n < 60:
		run.change(p, string(rune('a'+run.random.IntN(3))))
	case n < 70:
		run.read(p, string(rune('a'+run.random.IntN(3))))
	case n < 84:
		p.road.fail(faults{away: run.random.IntN(2) == 0, hangs: run.random.IntN(4) == 0, unsaid: run.lossy(), unheard: run.lossy(), stalls: run.random.IntN(4) == 0})
	case n < 90:
		p.road.fail(faults{})
	case n < 90+run.losses:
		run.history.empty()
		for _, p := range run.places {
			p.road.fail(faults{away: p.road.away})
		}
	default:
		time.Sleep(time.Duration(run.random.Int64N(int64([]time.Duration{time.Second, 10 * time.Second, 3 * time.Minute}[run.random.IntN(3)]))))
		synctest.Wait()
	}
	if stats := p.store.Stats(); stats.Changes > run.limit {
		run.history.wrong("%d changes wait, %d may", stats.Changes, run.limit)
	}
}

// lossy returns how many messages are lost: mostly none, or a good part.
func (run *run) lossy() float64 {
	if run.random.IntN(2) == 0 {
		return 0
	}
	return run.random.Float64() / 2
}

func (run *run) change(p *place, key string) {
	run.ids++
	op := &op{id: run.ids, client: p.id, key: key}
	h := run.history
	waits := p.store.Waits(key)
	h.calls(op, p.store.Stats().State == resilient.StateClosed && !waits, waits)
	ctx, cancel := context.Background(), func() {}
	if run.random.IntN(8) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(run.random.Int64N(int64(time.Second))))
	}
	defer cancel()
	var outcome outcome
	var err error
	switch run.random.IntN(4) {
	case 0:
		op.kind = 'p'
		outcome, err = outcomeOf(p.store.Set(ctx, key, fmt.Appendf(nil, "=%d;", op.id), storage.Forever))
	case 1:
		op.kind = 'r'
		outcome, err = deleted(p.store.Delete(ctx, key))
	default:
		op.kind = 'u'
		_, outcome, err = updated(p.store.Update(ctx, key, appends(fmt.Sprintf("%d;", op.id))))
	}
	h.returns(op, outcome, err)
	if outcome != queued {
		return
	}
	r, err := p.store.Get(context.Background(), key)
	if !p.store.Waits(key) { // it was delivered, or was in conflict, before that
		return
	}
	if got := string(r.Value); err != nil || op.kind == 'r' && r.Found || op.kind == 'p' && got != fmt.Sprintf("=%d;", op.id) || op.kind == 'u' && !strings.HasSuffix(got, fmt.Sprintf("%d;", op.id)) {
		h.wrong("client %d has queued %v and reads %q, %v", p.id, op, got, err)
	}
}

// read reads a record. If the client reaches its server and nothing waits, it has to be
// what the server has.
func (run *run) read(p *place, key string) {
	synctest.Wait()
	calm := p.road.calm() && p.store.Stats().State == resilient.StateClosed && p.store.Stats().Changes == 0
	r, err := p.store.Get(context.Background(), key)
	run.history.note("client %d: reads %q of %q, %v", p.id, r.Value, key, err)
	calm = calm && p.store.Stats().Changes == 0 // else it writes again what it has found to be lost
	if want := run.history.value(key); calm && (err != nil || string(r.Value) != want) {
		run.history.wrong("client %d reads %q of %q, %v, and the server has %q", p.id, r.Value, key, err, want)
	}
}

// heal removes all faults and waits until everything is at rest.
func (run *run) heal() {
	for _, p := range run.places {
		p.road.fail(faults{})
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
}

// end checks the clients, and closes them.
func (run *run) end(all *tally) {
	h := run.history
	for _, p := range run.places {
		stats := p.store.Stats()
		if stats.State != resilient.StateClosed || stats.Changes != 0 || stats.Keys != 0 || stats.Bytes != 0 {
			h.wrong("client %d does not come to rest: %+v", p.id, stats)
		}
		if stats.Queued != stats.Delivered+stats.Superseded+stats.Conflicts+stats.Dropped {
			h.wrong("client %d has lost sight of a change: %+v", p.id, stats)
		}
		for _, key := range []string{"a", "b", "c"} {
			r, err := p.store.Get(context.Background(), key)
			if want := h.value(key); err != nil || string(r.Value) != want {
				h.wrong("client %d reads %q of %q at the end, %v, and the server has %q", p.id, r.Value, key, err, want)
			}
		}
		h.accounts(p)
		if p.stop != nil {
			p.stop()
			<-p.watched
		}
		if err := p.store.Close(context.Background()); err != nil {
			h.wrong("Close of client %d: %v", p.id, err)
		}
		all.Queued += stats.Queued
		all.Delivered += stats.Delivered
		all.Superseded += stats.Superseded
		all.Conflicts += stats.Conflicts
		all.Dropped += stats.Dropped
		all.Refused += stats.Refused
		all.Trips += stats.Trips
		for _, e := range p.seen.of(resilient.Dropped) {
			if e.Err == resilient.ErrInDoubt {
				all.InDoubt++
			}
		}
	}
	all.Committed += h.committed
	all.Empties += uint64(h.life)
	all.Rewrites += h.rewrites
	synctest.Wait()
	_ = h.memory.Close()
}
