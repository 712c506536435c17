package state

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
	"github.com/perennial-go/perennial/storage/tree"
)

// world is a server, the members, and a wire to each of them.
type world struct {
	t       testing.TB
	server  *servers.Server
	forgets bool // a server that is killed
	proxies [members]*proxy
	members [members]*process
	rdb     *redis.Client // past the proxies
}

// newWorld starts the members. A broken one gets something wrong: see broken. Where
// the server forgets, they write again what it has lost.
func newWorld(t testing.TB, forgets bool, broken string) *world {
	t.Helper()
	w := &world{t: t, forgets: forgets}
	if forgets {
		w.server = servers.Redis(t)
	} else {
		w.server = servers.Redis(t, servers.Durable...)
	}
	for m := range w.members {
		w.proxies[m] = newProxy(t, w.server)
		w.members[m] = newProcess(t, setup{Addr: w.proxies[m].addr(), Broken: broken, Watches: forgets})
	}
	w.rdb = redis.NewClient(&redis.Options{Addr: w.server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { noError(t, w.rdb.Close()) })
	return w
}

// event is an order to a member, and what it said, when.
type event struct {
	member    int
	order     order
	report    report
	call, ret int64 // ns since the schedule began
}

// history is what happened in a schedule.
type history struct {
	plan    *plan
	events  []event
	emptied int64 // the last time the server was back with nothing; 0 where it never was
	flushed int64 // all members were
	drops   [members][]dropped

	logs     map[string][]string // in the end
	cells    map[string]string
	counters map[string]int64
	prefix   string
	resource resource
}

// run carries a plan out.
func (w *world) run(p *plan) (*history, error) {
	h := &history{plan: p, prefix: fmt.Sprintf("s%d:", p.seed), logs: map[string][]string{}, cells: map[string]string{}, counters: map[string]int64{}}
	for m, member := range w.members {
		if r := member.do(order{Do: "begin", Prefix: h.prefix}); r.Became != committed {
			return nil, fmt.Errorf("member %d does not begin: %s", m, r.Err)
		}
	}
	began := time.Now()
	now := func() int64 { return int64(time.Since(began)) + 1 }
	var told [members][]event
	var running sync.WaitGroup
	tell := func(m int, o order) report {
		call := now()
		r := w.members[m].do(o)
		told[m] = append(told[m], event{m, o, r, call, now()})
		if o.Do == "use" && r.Held {
			h.resource.write(m, r.N)
		}
		return r
	}
	for m := range w.members {
		running.Go(func() {
			holds := false
			for _, s := range p.steps[m] {
				if (s.order.Do == "use" || s.order.Do == "release") && !holds {
					continue
				}
				time.Sleep(s.pause) // in real time: members and servers are processes
				r := tell(m, s.order)
				switch s.order.Do {
				case "acquire":
					holds = r.Held
				case "release":
					holds = false
				}
			}
		})
	}
	for _, f := range p.faults {
		time.Sleep(f.before) // in real time, too
		if w.strike(f) {
			h.emptied = now()
		}
	}
	running.Wait()

	for m := range w.members { // each is online again after this, and all is delivered
		tell(m, order{Do: "update", Name: "fresh", Value: fmt.Sprint(m)})
		r := tell(m, order{Do: "flush"})
		for tries := 0; r.Became != committed && tries < 3; tries++ {
			r = tell(m, order{Do: "flush"})
		}
		if r.Became != committed || r.Stats.Changes > 0 {
			return nil, fmt.Errorf("member %d is wedged: %s", m, r.Err)
		}
		r = tell(m, order{Do: "add", Name: "fresh", N: 1})
		for tries := 0; r.Became != committed && tries < 5; tries++ { // the server may only just have started
			r = tell(m, order{Do: "add", Name: "fresh", N: 1})
		}
		if r.Became != committed {
			return nil, fmt.Errorf("the tree of member %d is wedged: %s", m, r.Err)
		}
		r = tell(m, order{Do: "acquire", Name: "job"})
		for tries := 0; r.Became != committed && tries < 5; tries++ {
			r = tell(m, order{Do: "acquire", Name: "job"})
		}
		if r.Became != committed {
			return nil, fmt.Errorf("the lock of member %d is wedged: %s", m, r.Err)
		}
		tell(m, order{Do: "release", Name: "job"})
	}
	h.flushed = now()
	for m := range w.members {
		h.events = append(h.events, told[m]...)
		for _, e := range told[m] {
			h.drops[m] = append(h.drops[m], e.report.Dropped...)
		}
		if r := w.members[m].do(order{Do: "end"}); r.Became != committed {
			return nil, fmt.Errorf("member %d does not end: %s", m, r.Err)
		}
	}
	slices.SortFunc(h.events, func(a, b event) int { return int(a.call - b.call) })
	return h, w.look(h)
}

// strike has something go wrong, and makes it good again. It tells whether the
// server has lost everything by it.
func (w *world) strike(f faultStep) (emptied bool) {
	on := w.proxies[f.member : f.member+1]
	if strings.HasSuffix(f.kind, " all") {
		on = w.proxies[:]
	}
	wires := func(fault wireFault) {
		for _, p := range on {
			p.set(fault)
		}
	}
	whole := func() { wires(whole) }
	var mend func()
	switch f.kind {
	case "halt":
		w.server.Stop()
		mend = w.server.Cont
	case "kill":
		w.server.Kill()
		mend = w.server.Restart
	case "cut", "cut all":
		wires(cut)
		mend = whole
	case "deaf", "deaf all":
		wires(deaf)
		mend = whole
	default:
		w.t.Fatalf("%q is no fault", f.kind)
	}
	time.Sleep(f.lasts) // in real time, as all else here
	mend()
	return f.kind == "kill" && w.forgets
}

// look reads what is there in the end.
func (w *world) look(h *history) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	store, err := resilient.New(redisstore.NewValues(w.rdb), resilient.Timeout(patience))
	if err != nil {
		return err
	}
	memory, err := synced.New(ctx, store, h.prefix+"state:")
	if err != nil {
		return err
	}
	defer memory.Close(ctx)
	for _, name := range []string{"log0", "log1", "fresh"} {
		v, err := synced.NewVar[[]string](memory, name)
		if err != nil {
			return err
		}
		if h.logs[name], err = v.Get(ctx); ignoreMissing(err) != nil {
			return err
		}
	}
	for _, name := range []string{"cell0", "cell1", "cell2", "board"} {
		v, err := synced.NewVar[string](memory, name)
		if err != nil {
			return err
		}
		value, err := v.Get(ctx)
		if ignoreMissing(err) != nil {
			return err
		}
		if err == nil {
			h.cells[name] = value
		}
	}
	counters, err := tree.New(w.rdb, tree.Prefix(h.prefix+"tree"))
	if err != nil {
		return err
	}
	for _, name := range []string{"c0", "c1", "fresh"} {
		n, err := tree.Get[int64](ctx, counters, []string{"counters", name})
		if err != nil && !errors.Is(err, tree.ErrNotFound) {
			return err
		}
		h.counters[name] = n
	}
	return nil
}

// resource is what the lock guards. It refuses who comes with a lower token than
// it has seen.
type resource struct {
	mu      sync.Mutex
	highest int64
	of      map[int64]int // who wrote with a token
	wrong   []string
	late    int // writes that were refused
}

func (r *resource) write(member int, token int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[int64]int{}
	}
	if other, ok := r.of[token]; ok && other != member {
		r.wrong = append(r.wrong, fmt.Sprintf("members %d and %d write with the same token %d", other, member, token))
	}
	r.of[token] = member
	if token < r.highest {
		r.late++
		return
	}
	r.highest = token
}

// never is when an order ends of which nobody knows whether it was done.
const never = math.MaxInt64
