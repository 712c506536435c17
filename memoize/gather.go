package memoize

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/observe"
)

// gatherer puts the jobs of calls for single keys into one load: see config.Gather. The
// load has its goroutine from the first job on, so none is left to nobody:
//
//	a call         finds no batch ─ opens one
//	other calls                         join ─ join
//	its goroutine                       waits ..... the time is over ─ nobody joins any more ─ loads
//
// The goroutine looks at the jobs once nobody can join, whoever has come last. The load is
// among the runs from the beginning, so Wait and Close wait for it.
type gatherer[A any, K comparable, V any] struct {
	core *core[A, K, V]
	mu   sync.Mutex
	open [observe.Direct]*gathering[A, K, V] // by the cause of their loads
}

// gathering is a load that waits for more jobs. While it is open, what is below send is
// guarded by the gatherer's lock.
type gathering[A any, K comparable, V any] struct {
	load  *load[A, K, V]
	asked *plan[A, K, V] // by those who join
	timer *clock.Timer
	send  chan struct{} // closed when it need not wait any more
	jobs  []job[A, K, V]
	seen  uint64 // updates that had ended when the first of them looked at the storage
}

// canGather says why a function can't do what its settings ask for.
func canGather(wait time.Duration, batched bool, name string) error {
	if wait <= 0 || batched {
		return nil
	}
	return fmt.Errorf("memoize: Gather puts calls together for a source that takes many keys, and %s takes one: make it with memoize.NewBatched, or leave Gather out", name)
}

// lead starts a load for a key whose update the caller leads, or puts it to those of
// others. In a bubble that the function was not made in nobody waits: a timer of one
// bubble must not serve another.
func (e *engine[A, K, V]) lead(ctx context.Context, p *plan[A, K, V], cause observe.Cause, seen uint64, j job[A, K, V]) {
	if p.gather <= 0 || j.queued || e.time.Elsewhere() {
		e.launch(ctx, p, cause, seen, j)
		return
	}
	e.gather(ctx, p, cause, seen, j)
}

// gather puts a job into the batch that is open, or opens one. A refresh has its place
// among those in the background, and gives it back if it joins a batch, which has one.
func (e *engine[A, K, V]) gather(ctx context.Context, p *plan[A, K, V], cause observe.Cause, seen uint64, j job[A, K, V]) {
	g := &e.gatherer
	joined := g.join(p, cause, seen, j)
	if !joined {
		l := &load[A, K, V]{e: e, plan: e.plans.use(p), cause: cause}
		l.prepare(l.values(ctx)) // may be the user's code: no lock is held
		if joined = g.start(l, p, seen, j); joined {
			e.plans.unuse(l.plan)
		}
	}
	if joined && cause == observe.Refresh {
		e.runs.Unreserve()
	}
}

// join puts a job into the batch that is open, if there is one for its plan.
func (g *gatherer[A, K, V]) join(p *plan[A, K, V], cause observe.Cause, seen uint64, j job[A, K, V]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.add(p, cause, seen, j)
}

// add is join. The lock is held.
func (g *gatherer[A, K, V]) add(p *plan[A, K, V], cause observe.Cause, seen uint64, j job[A, K, V]) bool {
	b := g.open[cause]
	if b == nil {
		return false
	}
	if b.asked != p { // one load, one configuration
		g.close(cause)
		return false
	}
	b.jobs, b.seen = append(b.jobs, j), min(b.seen, seen)
	if len(b.jobs) == p.limits.MaxBatch {
		g.close(cause)
	}
	return true
}

// start opens a batch with a load that is prepared, and its first job, unless there is
// one by now: then the job has joined that.
func (g *gatherer[A, K, V]) start(l *load[A, K, V], p *plan[A, K, V], seen uint64, j job[A, K, V]) (joined bool) {
	b := &gathering[A, K, V]{load: l, asked: p, send: make(chan struct{}), jobs: []job[A, K, V]{j}, seen: seen}
	g.mu.Lock()
	if joined = g.add(p, l.cause, seen, j); joined {
		g.mu.Unlock()
		return true
	}
	listed := g.core.runs.List(&l.run)
	if listed {
		b.timer = g.core.time.Clock.Timer(p.gather)
		g.open[l.cause] = b
	}
	g.mu.Unlock()
	if listed {
		go g.run(b)
		return false
	}
	l.jobs = b.jobs
	l.closed()
	return false
}

// close lets nobody join the batch that is open, and sends it. The lock is held.
func (g *gatherer[A, K, V]) close(cause observe.Cause) {
	close(g.open[cause].send)
	g.open[cause] = nil
}

// run waits until the batch goes out, and loads it.
func (g *gatherer[A, K, V]) run(b *gathering[A, K, V]) {
	l := b.load
	select {
	case <-b.timer.C:
	case <-b.send:
		b.timer.Stop()
	case <-l.run.Context.Done(): // Close has given up
		b.timer.Stop()
	}
	g.mu.Lock()
	if g.open[l.cause] == b {
		g.open[l.cause] = nil
	}
	g.mu.Unlock()
	l.jobs, l.seen = b.jobs, b.seen
	if len(l.jobs) == 1 {
		l.jobs[0].queued = true
	}
	l.Run()
}

// gathers tells whether a batch is open.
func (g *gatherer[A, K, V]) gathers(p *plan[A, K, V], cause observe.Cause) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.open[cause]
	return b != nil && b.asked == p
}

// sendAll sends what has gathered.
func (g *gatherer[A, K, V]) sendAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for cause, b := range g.open {
		if b != nil {
			g.close(observe.Cause(cause))
		}
	}
}
