package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A history is what a few clients did to one key of one function, and what they
// got. It happens in a bubble, where every step of the source and the storage
// takes a random virtual time: the order of steps is random, and no real time
// passes. The source returns versions, which only grow.

// op is what a client does.
type op uint8

const (
	call           op = iota // Call
	refresh                  // Refresh
	bulk                     // CallMany
	change                   // the source gets a new version
	invalidate               // Invalidate
	set                      // Set, to a version that the source has had
	reconfigure              // Apply
	invalidateOdd            // InvalidateTag of the versions that are odd
	invalidateEven           // and of those that are even
)

func (o op) String() string {
	return [...]string{"call", "refresh", "bulk", "change", "invalidate", "set", "reconfigure", "invalidate odd", "invalidate even"}[o]
}

// input and output of an operation.
type input struct{ op op }

type output struct {
	version int
	none    bool // the call returned an error that it may
}

// state is what G4 is about: a call may return any version from least to source.
// Invalidate makes least the source's version; Set, the version set.
// InvalidateTag makes leastOf that, for the versions that carry the tag.
type state struct {
	source, least int
	leastOf       [2]int
}

var parity = map[op]int{invalidateEven: 0, invalidateOdd: 1}

// tagOf is the tag of a version.
func tagOf(version int) string { return [...]string{"even", "odd"}[version%2] }

var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(before, in, out any) (bool, any) {
		s, i, o := before.(state), in.(input), out.(output)
		switch i.op {
		case change:
			s.source = max(s.source, o.version)
		case invalidate:
			s.least = s.source
		case set:
			s.least = min(o.version, s.source)
			s.leastOf[o.version%2] = min(s.leastOf[o.version%2], o.version)
		case invalidateEven, invalidateOdd:
			s.leastOf[parity[i.op]] = s.source
		case call, refresh, bulk:
			return o.none || max(s.least, s.leastOf[o.version%2]) <= o.version && o.version <= s.source, s
		}
		return true, s
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v %v", in, out) },
}

// world is the surroundings of a function under test.
type world struct {
	random  *rand.Rand
	mu      sync.Mutex // guards random
	source  atomic.Int64
	failing float64 // share of loads that fail
	slow    float64 // share of loads that exceed the method timeout
	absent  float64 // share of loads that say that there is none
	running atomic.Int64
	most    atomic.Int64
	loads   atomic.Int64
	leaders bool          // control: a load obeys its leader's context
	linger  time.Duration // how long a read takes to arrive
}

func (w *world) float() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64()
}

func (w *world) pause(most time.Duration) {
	time.Sleep(time.Duration(w.float() * float64(most)))
}

type leaderKey struct{}

var errDown = errors.New("down")

func (w *world) load(ctx context.Context, _ string) (int, error) {
	w.loads.Add(1)
	n := w.running.Add(1)
	for m := w.most.Load(); n > m && !w.most.CompareAndSwap(m, n); m = w.most.Load() {
	}
	defer w.running.Add(-1)
	w.pause(5 * time.Microsecond)
	version := int(w.source.Load())
	if w.leaders {
		leader := ctx.Value(leaderKey{}).(context.Context)
		select {
		case <-leader.Done():
			return 0, leader.Err()
		case <-time.After(time.Duration(w.float() * float64(30*time.Microsecond))):
		}
	}
	w.pause(30 * time.Microsecond)
	if w.float() < w.slow {
		time.Sleep(methodTimeout + time.Duration(w.float()*float64(50*time.Microsecond)))
	}
	if w.float() < w.failing {
		return 0, errDown
	}
	if w.float() < w.absent {
		return 0, absent{version}
	}
	return version, nil
}

// absent is the answer that there is none, as of a version of the source.
type absent struct{ version int }

var errAbsent = errors.New("there is none")

func (a absent) Error() string        { return fmt.Sprint("there is none in ", a.version) }
func (a absent) Is(target error) bool { return target == errAbsent }

const methodTimeout = 100 * time.Microsecond

// far is a storage in memory as far away as one across a network.
type far struct {
	w *world
	*storage.InMemory[string, int]
}

// AnswersAtOnce hides that of the storage in memory by having another type.
func (f *far) AnswersAtOnce(struct{}) {}

func (f *far) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	f.w.pause(10 * time.Microsecond)
	stored, err := f.InMemory.Get(ctx, key)
	f.w.pause(10*time.Microsecond + f.w.linger)
	return stored, err
}

func (f *far) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	f.w.pause(15 * time.Microsecond)
	err := f.InMemory.Offer(ctx, key, e)
	f.w.pause(5 * time.Microsecond)
	return err
}

func (f *far) Release(ctx context.Context, key string) error {
	f.w.pause(15 * time.Microsecond)
	err := f.InMemory.Release(ctx, key)
	f.w.pause(5 * time.Microsecond)
	return err
}

// plan says what a history is made of.
type plan struct {
	ops            []op // chosen from at random
	clients, each  int
	failing, slow  float64
	absent         float64 // share of loads that say that there is none, which is remembered
	rescue         bool    // values that have expired are kept, and callers wait for a short while
	leaving        float64 // share of calls with a short deadline
	leaders        bool
	linger         time.Duration // how long a read may take to arrive
	near           bool          // the storage is in memory, and versions have tags
	reg            func(*world, statuses.UpdateStatuses[string, int]) statuses.UpdateStatuses[string, int]
	exactlyOneLoad bool
	oneLoadAtATime bool
}

// run makes a history and says what is wrong with it.
func (p plan) run(t *testing.T, seed uint64) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{random: rand.New(rand.NewPCG(seed, 1)), failing: p.failing, slow: p.slow, absent: p.absent, leaders: p.leaders, linger: p.linger}
		reg := statuses.UpdateStatuses[string, int](statuses.NewInMemory[string, int](0, nil))
		if p.reg != nil {
			reg = p.reg(w, reg)
		}
		options := []config.Option{config.MethodTimeout(methodTimeout), config.UpdateAfter(60 * time.Microsecond), config.ExpireAfter(200 * time.Microsecond)}
		var kept storage.Storage[string, int] = &far{w: w, InMemory: storage.NewInMemory[string, int]()}
		if p.near {
			kept = storage.NewInMemory[string, int]()
			options = append(options, config.Tags(func(_ string, version int) []string { return []string{tagOf(version), "any"} }))
		}
		if p.absent > 0 {
			options = append(options, config.Remember(150*time.Microsecond, errAbsent))
		}
		if p.rescue {
			options = append(options, config.StaleIfError(500*time.Microsecond), config.SoftTimeout(20*time.Microsecond))
		}
		live := config.Mutable(config.InMemory[string, int](append(options, config.Storage(kept))...))
		if p.exactlyOneLoad {
			if err := live.Apply(config.UpdateAfter(time.Hour), config.ExpireAfter(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := memoize.Memoize(w.load, live, config.UpdateStatuses(reg), config.Logger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		var (
			mu      sync.Mutex
			history []porcupine.Operation
			clock   atomic.Int64
			wg      sync.WaitGroup
			said    string
		)
		say := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			said = what
		}
		must := func(verb string, err error) output {
			if err != nil {
				say(verb + ": " + err.Error())
			}
			return output{none: err != nil}
		}
		do := func(client int, o op, f func() output) {
			began := clock.Add(1)
			out := f()
			ended := clock.Add(1)
			mu.Lock()
			defer mu.Unlock()
			history = append(history, porcupine.Operation{ClientId: client, Input: input{o}, Call: began, Output: out, Return: ended})
		}
		answer := func(ctx context.Context, v int, err error) output {
			ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
			if ended && ctx.Err() == nil {
				say("a call got a context's error that was not its own: " + err.Error())
			}
			return answerOf(v, err)
		}
		for c := range p.clients {
			wg.Go(func() {
				for range p.each {
					w.pause(60 * time.Microsecond)
					ctx, cancel := context.WithCancel(context.Background())
					if w.float() < p.leaving {
						ctx, cancel = context.WithTimeout(context.Background(), time.Duration(w.float()*float64(40*time.Microsecond)))
					}
					ctx = context.WithValue(ctx, leaderKey{}, ctx)
					switch o := p.ops[int(w.float()*float64(len(p.ops)))]; o {
					case call:
						do(c, o, func() output { v, err := f.Call(ctx, "k"); return answer(ctx, v, err) })
					case refresh:
						do(c, o, func() output { v, err := f.Refresh(ctx, "k"); return answer(ctx, v, err) })
					case bulk:
						do(c, o, func() output {
							vs, err := f.CallMany(ctx, []string{"k", "k"})
							var many *memoize.ManyError
							if errors.As(err, &many) {
								err = many.At(0)
							}
							return answer(ctx, vs[0], err)
						})
					case invalidate:
						do(c, change, func() output { return output{version: int(w.source.Add(1))} })
						do(c, o, func() output { return must("Invalidate", f.Invalidate(context.Background(), "k")) })
					case invalidateOdd, invalidateEven:
						do(c, change, func() output { return output{version: int(w.source.Add(1))} })
						do(c, o, func() output {
							return must("InvalidateTag", f.InvalidateTag(context.Background(), tagOf(parity[o])))
						})
					case set:
						do(c, o, func() output {
							v := int(w.source.Load())
							return output{version: v, none: must("Set", f.Set(context.Background(), "k", v)).none}
						})
					case reconfigure:
						do(c, o, func() output { return must("Apply", live.Apply(config.Capacity(1+int(w.float()*10)))) })
					}
					cancel()
				}
			})
		}
		wg.Wait()
		if err := f.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // late loads end
		synctest.Wait()
		switch {
		case said != "":
			wrong = said
		case p.exactlyOneLoad && w.loads.Load() != 1:
			wrong = fmt.Sprintf("%d loads where one was needed", w.loads.Load())
		case p.oneLoadAtATime && w.most.Load() > 1:
			wrong = fmt.Sprintf("%d loads at once", w.most.Load())
		case w.most.Load() > 2:
			wrong = fmt.Sprintf("%d loads at once, superseded ones counted", w.most.Load())
		}
		if wrong != "" {
			return
		}
		switch result, _ := porcupine.CheckOperationsVerbose(model, history, 0); result {
		case porcupine.Illegal:
			wrong = illegal
			slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
			for _, o := range history {
				t.Logf("%3d to %3d  client %d  %v %v", o.Call, o.Return, o.ClientId, o.Input, o.Output)
			}
		case porcupine.Unknown:
			t.Fatalf("seed %d: the checker ran out of time", seed)
		}
	})
	return wrong
}

func (p plan) find(t *testing.T, histories int) (wrong string, at int) {
	t.Helper()
	base := rand.Uint64()
	t.Logf("seeds from %d", base)
	for i := range histories {
		if wrong := p.run(t, base+uint64(i)); wrong != "" {
			return wrong, i
		}
	}
	return "", histories
}

var everything = []op{call, call, call, call, refresh, bulk, invalidate, invalidate, set, reconfigure}

// plans are what the engine must survive.
var plans = map[string]plan{
	"G1 G4 G5 everything":           {ops: everything, clients: 4, each: 10, failing: .2, slow: .05, leaving: .2},
	"G1 G4 G5 storage in memory":    {ops: everything, clients: 4, each: 10, failing: .2, slow: .05, leaving: .2, near: true},
	"G4 G16 tags":                   {ops: append([]op{invalidateOdd, invalidateOdd, invalidateEven, invalidateEven}, everything...), clients: 4, each: 10, failing: .2, slow: .05, leaving: .2, near: true},
	"G16 calls and tags":            {ops: []op{call, call, bulk, invalidateOdd, invalidateEven}, clients: 5, each: 9, near: true},
	"G4 calls and invalidations":    {ops: []op{call, call, invalidate}, clients: 5, each: 9},
	"G4 reads that take long":       {ops: []op{call, call, call, invalidate}, clients: 5, each: 9, linger: 100 * time.Microsecond},
	"G1 one load for a cold key":    {ops: []op{call, bulk}, clients: 6, each: 3, exactlyOneLoad: true},
	"G1 one load at a time":         {ops: []op{call, bulk, refresh}, clients: 5, each: 9, failing: .2, leaving: .2, oneLoadAtATime: true},
	"G6 late results":               {ops: everything, clients: 4, each: 10, slow: .5},
	"G4 G15 answers":                {ops: everything, clients: 4, each: 10, failing: .2, slow: .05, leaving: .2, absent: .5},
	"G4 G15 answers in memory":      {ops: everything, clients: 4, each: 10, failing: .2, slow: .05, absent: .5, near: true},
	"G4 G14 rescues":                {ops: everything, clients: 4, each: 10, failing: .5, slow: .2, leaving: .1, absent: .2, rescue: true},
	"G4 G14 rescues in memory":      {ops: everything, clients: 4, each: 10, failing: .5, slow: .2, absent: .2, rescue: true, near: true},
	"G4 G14 G16 rescues and tags":   {ops: append([]op{invalidateOdd, invalidateOdd, invalidateEven, invalidateEven}, everything...), clients: 4, each: 10, failing: .5, slow: .2, rescue: true, near: true},
	"G8 a source that mostly fails": {ops: everything, clients: 4, each: 10, failing: .8},
}

func TestHistories(t *testing.T) {
	histories := 1_000
	if checks.Race { // in full they run without it
		histories = 250
	}
	for name, p := range plans {
		t.Run(name, func(t *testing.T) {
			if wrong, at := p.find(t, histories); wrong != "" {
				t.Errorf("history %d: %s", at, wrong)
			}
		})
	}
}
