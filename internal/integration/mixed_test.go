package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// Histories of several keys, of functions that are made of everything at once: batched
// or not, over memory or a store that two of them share, with room for two entries,
// observers that change the keys which they are told of, strategies and postprocessings
// that call back, clocks that stand still, snapshots that are saved and restored.

var mixedKeys = []string{"a", "b", "c"}

// mixedOp is an operation of one key. Those of many are one for each.
type mixedOp struct {
	op  string // call, change, invalidate, set, restore
	key string
}

// mixedModel is the model of histories, and knows of restored values: a restore may bring
// back the version that was saved.
var mixedModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(mixedOp).key
			byKey[key] = append(byKey[key], o)
		}
		var parts [][]porcupine.Operation
		for _, key := range mixedKeys {
			parts = append(parts, byKey[key])
		}
		return parts
	},
	Init: func() any { return state{} },
	Step: func(before, in, out any) (bool, any) {
		s, o := before.(state), out.(output)
		switch in.(mixedOp).op {
		case "change":
			s.source = max(s.source, o.version)
		case "invalidate":
			s.least = s.source
		case "set":
			s.least = min(o.version, s.source)
		case "restore":
			s.least = min(s.least, o.version)
		default:
			return o.none || s.least <= o.version && o.version <= s.source, s
		}
		return true, s
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v %v", in, out) },
}

// mixed says what a history is made of, by chance.
type mixed struct {
	batched, shared, frozen bool
	observes, calls         bool // user code that comes back
	answers, rescues        bool // errors are remembered, values kept
	unfenced                bool // control: the store refuses no fill
}

func (m mixed) String() string {
	return fmt.Sprintf("batched=%v shared=%v frozen=%v observes=%v calls=%v answers=%v rescues=%v", m.batched, m.shared, m.frozen, m.observes, m.calls, m.answers, m.rescues)
}

// slowStore is a storage.Memory across a network.
type slowStore struct {
	*storage.Memory
	w        *world
	unfenced bool
}

func (s slowStore) pause() { s.w.pause(15 * time.Microsecond) }

func (s slowStore) Get(ctx context.Context, key string) (storage.Record, error) {
	s.pause()
	defer s.pause()
	return s.Memory.Get(ctx, key)
}

func (s slowStore) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	s.pause()
	defer s.pause()
	return s.Memory.GetMany(ctx, keys)
}

func (s slowStore) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	s.pause()
	defer s.pause()
	return s.Memory.Set(ctx, key, value, keep)
}

func (s slowStore) Delete(ctx context.Context, key string) (bool, error) {
	s.pause()
	defer s.pause()
	return s.Memory.Delete(ctx, key)
}

func (s slowStore) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	s.pause()
	defer s.pause()
	return s.Memory.Claim(ctx, hold, keys...)
}

func (s slowStore) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	s.pause()
	defer s.pause()
	if !s.unfenced {
		return s.Memory.Fill(ctx, fills...)
	}
	stored := make([]bool, len(fills))
	for i, f := range fills {
		stored[i] = s.Memory.Set(ctx, f.Key, f.Value, f.Keep) == nil
	}
	return stored, nil
}

// nosy is a strategy that looks at the function that it serves.
type nosy struct {
	eviction.Strategy[string]
	look func()
}

func (n *nosy) MarkWritten(key string, e, old *entry.Meta) {
	n.look()
	n.Strategy.MarkWritten(key, e, old)
}

func (n *nosy) MarkReleased(key string, old *entry.Meta) {
	n.look()
	n.Strategy.MarkReleased(key, old)
}

func (m mixed) run(t *testing.T, seed uint64) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{random: rand.New(rand.NewPCG(seed, 2)), failing: .2}
		if m.answers && !m.batched {
			w.absent = .4
		}
		var history mixedHistory
		store := slowStore{storage.NewMemory(), w, m.unfenced}
		defer store.Close()
		functions := make([]*memoize.Func[string, int], 1)
		if m.shared {
			functions = make([]*memoize.Func[string, int], 2)
		}
		for i := range functions {
			functions[i] = m.function(t, w, store, &functions[i], &history)
		}
		var clients sync.WaitGroup
		var snapshot snapshot
		for c := range 4 {
			clients.Go(func() {
				f := functions[c%len(functions)]
				for range 10 {
					w.pause(60 * time.Microsecond)
					m.act(w, f, c, &history, &snapshot)
				}
			})
		}
		clients.Wait()
		for _, f := range functions {
			if err := f.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		wrong = history.check(t, seed)
	})
	return wrong
}

func (m mixed) function(t *testing.T, w *world, store slowStore, self **memoize.Func[string, int], history *mixedHistory) *memoize.Func[string, int] {
	f := func() *memoize.Func[string, int] { return *self }
	opts := []config.Option{config.Name("f"), config.Logger(slog.New(slog.DiscardHandler)), config.MethodTimeout(time.Second),
		config.UpdateAfter(60 * time.Microsecond), config.ExpireAfter(200 * time.Microsecond)}
	strategy := eviction.LeastRecentlyUpdated[string](2)
	if m.calls {
		strategy = &nosy{strategy, func() {
			if f() != nil {
				f().Has(context.Background(), mixedKeys[0])
				f().Stats()
			}
		}}
		var depth atomic.Int64
		opts = append(opts, config.Postprocess(config.CopyBy(func(v int) int {
			if depth.Add(1) == 1 && f() != nil { // its own calls come here again
				_, _ = f().CallMany(context.Background(), mixedKeys)
			}
			depth.Add(-1)
			return v
		})))
	}
	opts = append(opts, config.Evict(strategy))
	if m.observes {
		var depth atomic.Int64
		opts = append(opts, config.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
			if ev.Kind == observe.LoadStarted || f() == nil {
				return
			}
			if depth.Add(1) == 1 {
				for _, key := range mixedKeys {
					history.invalidate(99, f(), key)
				}
			}
			depth.Add(-1)
		})))
	}
	if m.answers {
		opts = append(opts, config.Remember(150*time.Microsecond, errAbsent))
	}
	if m.rescues {
		opts = append(opts, config.StaleIfError(500*time.Microsecond), config.SoftTimeout(20*time.Microsecond))
	}
	if m.frozen {
		opts = append(opts, config.Clock(clock.NewMock()))
	}
	if m.shared {
		s, err := storage.Share(store)
		if err != nil {
			t.Fatal(err)
		}
		opts = append(opts, config.Store(s))
	}
	load := func(ctx context.Context, keys []string) (map[string]int, error) {
		values := map[string]int{}
		version, err := w.load(ctx, "")
		if err != nil {
			return nil, err
		}
		none := memoize.KeyErrors[string]{}
		for _, key := range keys {
			if m.answers && w.float() < .4 {
				none[key] = absent{version}
			} else {
				values[key] = version
			}
		}
		slices.Sort(keys)
		if len(none) > 0 {
			return values, none
		}
		return values, nil
	}
	var made *memoize.Func[string, int]
	var err error
	if m.batched {
		made, err = memoize.NewBatched(load, opts...)
	} else {
		made, err = memoize.New(w.load, opts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// answerOf is the output of a call. An answer that there is none is as true of its
// version as a value is, where the version has not been lost on the way.
func answerOf(v int, err error) output {
	var none absent
	if errors.As(err, &none) {
		return output{version: none.version}
	}
	return output{version: v, none: err != nil}
}

// snapshot is what was saved last.
type snapshot struct {
	mu   sync.Mutex
	data []byte
}

// act is one operation of a client.
func (m mixed) act(w *world, f *memoize.Func[string, int], client int, h *mixedHistory, saved *snapshot) {
	ctx := context.Background()
	key := mixedKeys[int(w.float()*float64(len(mixedKeys)))]
	many := func(call func(context.Context, []string) ([]int, error)) {
		keys := []string{"c", "a", "b"}[:1+int(w.float()*3)]
		began := h.clock.Add(1)
		values, err := call(ctx, keys)
		failed := (*memoize.ManyError)(nil)
		errors.As(err, &failed)
		for i, key := range keys {
			var err error
			if failed != nil {
				err = failed.At(i)
			}
			h.add(client, mixedOp{"call", key}, began, answerOf(values[i], err))
		}
	}
	change := func() int {
		began := h.clock.Add(1)
		version := int(w.source.Add(1))
		for _, key := range mixedKeys {
			h.add(client, mixedOp{"change", key}, began, output{version: version})
		}
		return version
	}
	switch n := int(w.float() * 12); {
	case n < 4:
		began := h.clock.Add(1)
		v, err := f.Call(ctx, key)
		h.add(client, mixedOp{"call", key}, began, answerOf(v, err))
	case n < 6:
		many(f.CallMany)
	case n < 7:
		many(f.RefreshMany)
	case n < 9:
		change()
		h.invalidate(client, f, key)
	case n < 10:
		version := int(w.source.Load())
		began := h.clock.Add(1)
		if err := f.Set(ctx, key, version); err != nil {
			h.say("Set: " + err.Error())
		}
		h.add(client, mixedOp{"set", key}, began, output{version: version})
	case n < 11:
		if _, err := f.Touch(ctx, key); err != nil {
			h.say("Touch: " + err.Error())
		}
	case m.shared: // whose entries outlive the process by themselves
	default:
		saved.mu.Lock()
		defer saved.mu.Unlock()
		if saved.data == nil || w.float() < .5 {
			var data bytes.Buffer
			if _, err := f.Save(ctx, &data); err != nil {
				h.say("Save: " + err.Error())
			}
			saved.data = data.Bytes()
			return
		}
		began := h.clock.Add(1)
		if _, err := f.Restore(ctx, bytes.NewReader(saved.data)); err != nil {
			h.say("Restore: " + err.Error())
		}
		for _, key := range mixedKeys { // whichever versions it has
			h.add(client, mixedOp{"restore", key}, began, output{})
		}
	}
}

// mixedHistory is what happened.
type mixedHistory struct {
	clock atomic.Int64
	mu    sync.Mutex
	ops   []porcupine.Operation
	said  string
}

func (h *mixedHistory) add(client int, in mixedOp, began int64, out output) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: began, Output: out, Return: h.clock.Add(1)})
}

func (h *mixedHistory) say(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = what
}

func (h *mixedHistory) invalidate(client int, f *memoize.Func[string, int], key string) {
	began := h.clock.Add(1)
	if err := f.Invalidate(context.Background(), key); errors.Is(err, memoize.ErrClosed) {
		return // an observer is told of the last loads
	} else if err != nil {
		h.say("Invalidate: " + err.Error())
		return
	}
	h.add(client, mixedOp{"invalidate", key}, began, output{})
}

func (h *mixedHistory) check(t *testing.T, seed uint64) (wrong string) {
	if h.said != "" {
		return h.said
	}
	switch result, _ := porcupine.CheckOperationsVerbose(mixedModel, h.ops, time.Minute); result {
	case porcupine.Illegal:
		for _, o := range h.ops {
			t.Logf("%3d to %3d  client %d  %v %v", o.Call, o.Return, o.ClientId, o.Input, o.Output)
		}
		return illegal
	case porcupine.Unknown:
		t.Fatalf("seed %d: the checker ran out of time", seed)
	}
	return ""
}

// soak is how long random histories run: a duration in PERENNIAL_SOAK, or a few.
func soak(t *testing.T) func(done int) bool {
	text := os.Getenv("PERENNIAL_SOAK")
	if text == "" {
		return func(done int) bool { return done < 600 }
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(d)
	return func(int) bool { return time.Now().Before(end) }
}

func TestMixedHistories(t *testing.T) {
	more, base := soak(t), rand.Uint64()
	t.Logf("seeds from %d", base)
	for i := 0; more(i); i++ {
		seed := base + uint64(i)
		r := rand.New(rand.NewPCG(seed, 3))
		m := mixed{batched: r.IntN(3) > 0, shared: r.IntN(2) > 0, frozen: r.IntN(3) == 0, observes: r.IntN(3) == 0, calls: r.IntN(3) == 0, answers: r.IntN(2) == 0, rescues: r.IntN(2) == 0}
		if wrong := m.run(t, seed); wrong != "" {
			t.Fatalf("seed %d, %v: %s", seed, m, wrong)
		}
	}
}

// The histories notice a store that refuses nothing.
func TestMixedHistoriesNoticeAFault(t *testing.T) {
	base := rand.Uint64()
	t.Logf("seeds from %d", base)
	for i := range 2000 {
		if m := (mixed{batched: true, shared: true, unfenced: true}); m.run(t, base+uint64(i)) == illegal {
			return
		}
	}
	t.Error("no history is illegal over a store that is not fenced")
}
