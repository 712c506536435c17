package shared

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// A history is what clients of two processes did to one key of the store that
// they share, and what they got. It happens in a bubble, where every step of the
// source and of the store takes a random virtual time: the order of steps is
// random, and no real time passes.

// input and output of an operation.
type input struct{ op string }

type output struct {
	version int
	none    bool // an error that is allowed
}

// state is what G4 is about: a call may return any version from least to source.
type state struct{ source, least int }

var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(before, in, out any) (bool, any) {
		s, o := before.(state), out.(output)
		switch in.(input).op {
		case "change":
			s.source = max(s.source, o.version)
		case "invalidate", "empty":
			s.least = s.source
		case "set":
			s.least = min(o.version, s.source)
		case "touch":
		default:
			return o.none || s.least <= o.version && o.version <= s.source, s
		}
		return true, s
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v %v", in, out) },
}

// ops are chosen from at random.
var ops = []string{"call", "call", "call", "call", "refresh", "bulk", "invalidate", "invalidate", "empty", "set", "touch"}

// world is the surroundings of the functions under test.
type world struct {
	*storage.Memory
	mu     sync.Mutex // guards random
	random *rand.Rand
	source atomic.Int64
}

func (w *world) float() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64()
}

func (w *world) pause(most time.Duration) {
	time.Sleep(time.Duration(w.float() * float64(most)))
}

const (
	methodTimeout = 100 * time.Microsecond
	wireTime      = 10 * time.Microsecond // one way
)

var errDown = errors.New("down")

func (w *world) load(context.Context, string) (string, error) {
	w.pause(5 * time.Microsecond)
	version := w.source.Load()
	w.pause(30 * time.Microsecond)
	if w.float() < .05 {
		w.pause(3 * methodTimeout)
	}
	if w.float() < .1 {
		return "", errDown
	}
	return fmt.Sprint(version), nil
}

// far lets an operation of the store take its time there and back.
func far[T any](w *world, op func() (T, error)) (T, error) {
	w.pause(wireTime)
	defer w.pause(wireTime)
	return op()
}

func (w *world) Get(ctx context.Context, key string) (storage.Record, error) {
	return far(w, func() (storage.Record, error) { return w.Memory.Get(ctx, key) })
}

func (w *world) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	return far(w, func() ([]storage.Record, error) { return w.Memory.GetMany(ctx, keys) })
}

func (w *world) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	_, err := far(w, func() (any, error) { return nil, w.Memory.Set(ctx, key, value, keep) })
	return err
}

func (w *world) Delete(ctx context.Context, key string) (bool, error) {
	return far(w, func() (bool, error) { return w.Memory.Delete(ctx, key) })
}

func (w *world) Clear(ctx context.Context, prefix string) error {
	_, err := far(w, func() (any, error) { return nil, w.Memory.Clear(ctx, prefix) })
	return err
}

func (w *world) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	return far(w, func() ([]storage.Claimed, error) { return w.Memory.Claim(ctx, hold, keys...) })
}

func (w *world) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	return far(w, func() ([]bool, error) { return w.Memory.Fill(ctx, fills...) })
}

// illegal makes a history, and tells whether no order of its operations explains
// what the calls got.
func illegal(t *testing.T, seed uint64, fenced bool) (wrong bool) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{Memory: storage.NewMemory(), random: rand.New(rand.NewPCG(seed, 1))}
		var b storage.Bytes = w
		if !fenced {
			b = unfenced{w, w}
		}
		const members, clients, each = 2, 2, 10
		var (
			mu      sync.Mutex
			history []porcupine.Operation
			clock   atomic.Int64
			wg      sync.WaitGroup
		)
		do := func(client int, op string, f func() output) {
			began := clock.Add(1)
			out := f()
			ended := clock.Add(1)
			mu.Lock()
			defer mu.Unlock()
			history = append(history, porcupine.Operation{ClientId: client, Input: input{op}, Call: began, Output: out, Return: ended})
		}
		for m := range members {
			s, err := storage.Share(b)
			noError(t, err)
			f, err := memoize.New(w.load, config.Store(s), config.Name("f"), config.MethodTimeout(methodTimeout),
				config.UpdateAfter(60*time.Microsecond), config.ExpireAfter(400*time.Microsecond), config.Logger(slog.New(slog.DiscardHandler)))
			noError(t, err)
			defer func() { noError(t, f.Close(context.Background())) }()
			for c := range clients {
				wg.Go(func() {
					for range each {
						w.pause(60 * time.Microsecond)
						op := ops[int(w.float()*float64(len(ops)))]
						if op == "invalidate" || op == "empty" {
							do(m*clients+c, "change", func() output { return output{version: int(w.source.Add(1))} })
						}
						do(m*clients+c, op, func() output { return w.do(t, f, op) })
					}
				})
			}
		}
		wg.Wait()
		time.Sleep(10 * methodTimeout) // late loads end
		synctest.Wait()
		switch result, _ := porcupine.CheckOperationsVerbose(model, history, 0); result {
		case porcupine.Illegal:
			wrong = true
			if !fenced {
				return
			}
			slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
			for _, o := range history {
				t.Logf("%3d to %3d  client %d  %v %v", o.Call, o.Return, o.ClientId, o.Input, o.Output)
			}
		case porcupine.Unknown:
			t.Errorf("seed %d: the checker ran out of time", seed)
		}
	})
	return wrong
}

// do does an operation to the key.
func (w *world) do(t *testing.T, f *memoize.Func[string, string], op string) (out output) {
	const key = "k"
	ctx := context.Background()
	var v string
	var err error
	switch op {
	case "call":
		v, err = f.Call(ctx, key)
	case "refresh":
		v, err = f.Refresh(ctx, key)
	case "bulk":
		var vs []string
		vs, err = f.CallMany(ctx, []string{key, key})
		v = vs[0]
	case "set":
		out.version = int(w.source.Load())
		noErrorOf(t, op, f.Set(ctx, key, fmt.Sprint(out.version)))
		return out
	case "touch":
		_, err := f.Touch(ctx, key)
		noErrorOf(t, op, err)
		return out
	case "invalidate":
		noErrorOf(t, op, f.Invalidate(ctx, key))
		return out
	case "empty":
		noErrorOf(t, op, f.InvalidateAll(ctx))
		return out
	}
	if err != nil {
		if !errors.Is(err, errDown) && !errors.Is(err, memoize.ErrLoadTimeout) && !errors.Is(err, memoize.ErrRunaway) {
			t.Errorf("%s: %v", op, err)
		}
		return output{none: true}
	}
	out.version, err = strconv.Atoi(v)
	noErrorOf(t, op, err)
	return out
}

func noErrorOf(t *testing.T, op string, err error) {
	if err != nil {
		t.Errorf("%s: %v", op, err)
	}
}

// TestG4Histories checks histories of two processes, and that those of a store
// without a fence are caught. There can be more of them: see times.
func TestG4Histories(t *testing.T) {
	histories := times(t, 1000)
	for _, fenced := range []bool{true, false} {
		t.Run(fmt.Sprintf("fenced=%v", fenced), func(t *testing.T) {
			base := rand.Uint64()
			t.Logf("seeds from %d", base)
			for i := range histories {
				if !illegal(t, base+uint64(i), fenced) {
					continue
				}
				if fenced {
					t.Fatalf("no order of the operations of history %d explains what the calls got", i)
				}
				t.Logf("found in history %d", i)
				return
			}
			if !fenced {
				t.Error("the checker does not find what a store without a fence lets in")
			}
		})
	}
}
