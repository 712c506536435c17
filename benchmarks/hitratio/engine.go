package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
	"github.com/perennial-go/perennial/benchmarks/internal/trace"
	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
)

// engine is a strategy within a memoized function, as users have it.
type engine struct {
	function *memoize.Func[uint64, struct{}]
	loaded   bool
}

// lasting is a life in which no entry of a replay falls due.
const lasting = 1000 * time.Hour

func newEngine(s eviction.Strategy[uint64]) *engine {
	e := &engine{}
	e.function = memoize.Must(memoize.New(func(context.Context, uint64) (struct{}, error) {
		e.loaded = true
		return struct{}{}, nil
	}, config.Evict(s), config.UpdateAfter(lasting), config.ExpireAfter(lasting)))
	return e
}

// get waits until what a load pushes out is gone: callers are answered before.
func (e *engine) get(r trace.Request) bool {
	e.loaded = false
	if _, err := e.function.Call(context.Background(), r.Key); err != nil {
		panic(err) // the function has no errors
	}
	if e.loaded {
		_ = e.function.Wait(context.Background()) // which does not end
	}
	return !e.loaded
}

func (e *engine) held() int64 { return int64(e.function.Len()) }
func (e *engine) close()      { _ = e.function.Close(context.Background()) }

// checkEngine replays our policies through the engine, and fails where one that
// leaves nothing to chance comes to anything else than without.
func (b *board) checkEngine(w io.Writer, s settings) error {
	fmt.Fprintf(w, "\n### %s: hits, of a bare strategy / of a memoize.Func\n\n", b.trace.Name)
	t := &runner.Table{Head: []string{"policy"}}
	for _, size := range b.sizes {
		t.Head = append(t.Head, runner.Count(int(size.capacity)))
	}
	var errs []error
	for _, o := range own {
		if !s.takesPart(o.name) {
			continue
		}
		row := []string{o.name}
		for _, size := range b.sizes {
			runner.Progress("%s: %s at %s in the engine", b.trace.Name, o.name, runner.Count(int(size.capacity)))
			alone, within := bothWays(b.trace, o, size.capacity, salt(s.seed, 0))
			row = append(row, fmt.Sprintf("%d / %d", alone, within))
			if alone != within && !o.chance {
				errs = append(errs, fmt.Errorf("%s: %s at %d has %d hits alone, and %d in the engine", b.trace.Name, o.name, size.capacity, alone, within))
			}
		}
		t.Add(row...)
	}
	t.Write(w)
	return errors.Join(errs...)
}

// bothWays is the hits of a policy without and with an engine.
func bothWays(t *trace.Trace, o ownPolicy, capacity int64, salt uint64) (alone, within int) {
	bare := newBare(o.make(int(capacity)), terms{capacity: capacity, entries: int(capacity)})
	function := newEngine(o.make(int(capacity)))
	defer function.close()
	return replay(t, bare, salt).hits, replay(t, function, salt).hits
}
