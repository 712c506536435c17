package resilient_test

import (
	"context"
	"crypto/rand"
	"iter"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// errRefusedConnection is the error of a client whose server is down.
var errRefusedConnection = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// errReset is the error of a client whose connection breaks while it waits.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// server is a fake server of records whose faults are chosen.
type server struct {
	mu      sync.Mutex
	memory  *storage.Memory
	state   string
	began   time.Time     // that state
	down    chan struct{} // nil while it is up; closed when it comes up
	cut     chan struct{} // closed when connections break
	hangs   bool          // until the context ends
	delay   time.Duration // until it does something
	faulty  string        // what requests or answers are lost of; all, where it is empty
	unheard int           // so many answers are lost
	unsaid  int           // so many requests are lost
	fault   func(verb, key string) error
	calls   atomic.Int64
}

func newServer() *server {
	return &server{memory: storage.NewMemory(), state: rand.Text(), began: time.Now(), cut: make(chan struct{})}
}

func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		s.down = make(chan struct{})
		close(s.cut)
	}
}

func (s *server) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		close(s.down)
		s.down, s.cut = nil, make(chan struct{})
	}
}

// empty restarts the server without its data.
func (s *server) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.memory.Close()
	s.memory, s.state, s.began = storage.NewMemory(), rand.Text(), time.Now()
}

// way returns another way to the same data, with faults of its own.
func (s *server) way() *server {
	other := newServer()
	_ = other.memory.Close()
	other.memory, other.state, other.began = s.memory, s.state, s.began
	return other
}

func (s *server) set(what func(s *server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what(s)
}

// use calls do with the data, if the server can be reached.
func (s *server) use(ctx context.Context, verb, key string, do func(m *storage.Memory) error) error {
	s.calls.Add(1)
	s.mu.Lock()
	hangs, down, m := s.hangs, s.down != nil, s.memory
	meant := s.faulty == "" || s.faulty == verb
	unsaid, unheard := meant && s.unsaid > 0, meant && s.unsaid == 0 && s.unheard > 0
	if !down && !hangs {
		if unsaid {
			s.unsaid--
		}
		if unheard {
			s.unheard--
		}
	}
	fault, delay := s.fault, s.delay
	s.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	switch {
	case down:
		return errRefusedConnection
	case hangs:
		<-ctx.Done()
		return ctx.Err()
	case unsaid:
		return errReset
	}
	if fault != nil {
		if err := fault(verb, key); err != nil {
			return err
		}
	}
	err := do(m)
	if unheard {
		return errReset
	}
	return err
}

func (s *server) Get(ctx context.Context, key string) (r storage.Record, _ error) {
	err := s.use(ctx, "get", key, func(m *storage.Memory) (err error) {
		r, err = m.Get(ctx, key)
		return err
	})
	if err != nil {
		r = storage.Record{}
	}
	return r, err
}

func (s *server) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return s.use(ctx, "set", key, func(m *storage.Memory) error { return m.Set(ctx, key, value, keep) })
}

func (s *server) Delete(ctx context.Context, key string) (existed bool, _ error) {
	err := s.use(ctx, "delete", key, func(m *storage.Memory) (err error) {
		existed, err = m.Delete(ctx, key)
		return err
	})
	return existed && err == nil, err
}

func (s *server) Look(ctx context.Context, keys ...string) (found []storage.Versioned, _ error) {
	err := s.use(ctx, "look", keys[0], func(m *storage.Memory) (err error) {
		found, err = m.Look(ctx, keys...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (s *server) Swap(ctx context.Context, changes ...storage.Change) (made []bool, _ error) {
	err := s.use(ctx, "swap", changes[0].Key, func(m *storage.Memory) (err error) {
		made, err = m.Swap(ctx, changes...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// State is as old as the data.
func (s *server) State(ctx context.Context) (id string, age time.Duration, _ error) {
	err := s.use(ctx, "state", "", func(*storage.Memory) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		id, age = s.state, time.Since(s.began)
		return nil
	})
	return id, age, err
}

func (s *server) Claim(ctx context.Context, hold time.Duration, keys ...string) (claims []storage.Claimed, _ error) {
	err := s.use(ctx, "claim", keys[0], func(m *storage.Memory) (err error) {
		claims, err = m.Claim(ctx, hold, keys...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

func (s *server) Fill(ctx context.Context, fills ...storage.Filling) (stored []bool, _ error) {
	err := s.use(ctx, "fill", fills[0].Key, func(m *storage.Memory) (err error) {
		stored, err = m.Fill(ctx, fills...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

func (s *server) GetMany(ctx context.Context, keys []string) (found []storage.Record, _ error) {
	err := s.use(ctx, "get many", keys[0], func(m *storage.Memory) (err error) {
		found, err = m.GetMany(ctx, keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (s *server) SetMany(ctx context.Context, items []storage.Item) error {
	return s.use(ctx, "set many", items[0].Key, func(m *storage.Memory) error { return m.SetMany(ctx, items) })
}

func (s *server) DeleteMany(ctx context.Context, keys []string) (existed []bool, _ error) {
	err := s.use(ctx, "delete many", keys[0], func(m *storage.Memory) (err error) {
		existed, err = m.DeleteMany(ctx, keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	return existed, nil
}

func (s *server) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var m *storage.Memory
		if err := s.use(ctx, "keys", prefix, func(is *storage.Memory) error { m = is; return nil }); err != nil {
			yield("", err)
			return
		}
		for key, err := range m.Keys(ctx, prefix) {
			if !yield(key, err) {
				return
			}
		}
	}
}

func (s *server) Clear(ctx context.Context, prefix string) error {
	return s.use(ctx, "clear", prefix, func(m *storage.Memory) error { return m.Clear(ctx, prefix) })
}

// Watch ends when the connection breaks.
func (s *server) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	var m *storage.Memory
	if err := s.use(ctx, "watch", prefix, func(is *storage.Memory) error { m = is; return nil }); err != nil {
		return err
	}
	s.mu.Lock()
	cut := s.cut
	s.mu.Unlock()
	return watchUntil(ctx, cut, m, prefix, changed)
}

// watchUntil watches until a connection is cut.
func watchUntil(ctx context.Context, cut <-chan struct{}, m *storage.Memory, prefix string, changed func(storage.Changed)) error {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-cut:
			stop()
		case <-done:
		}
	}()
	_ = m.Watch(inner, prefix, changed)
	if ctx.Err() == nil {
		return errReset
	}
	return ctx.Err()
}

// bubble runs a test in virtual time over a server and a store on it.
func bubble(t *testing.T, f func(t *testing.T, at *server, s *resilient.Store, seen *events), opts ...resilient.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		at := newServer()
		s, seen := client(t, at, opts...)
		f(t, at, s, seen)
		at.start()
		at.set(func(s *server) { s.hangs, s.fault, s.unheard, s.unsaid = false, nil, 0, 0 })
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close at the end: %v", err)
		}
		synctest.Wait()
		_ = at.memory.Close()
	})
}

// client returns a store over the server, and the events it reports.
func client(t *testing.T, at storage.Bytes, opts ...resilient.Option) (*resilient.Store, *events) {
	t.Helper()
	seen := &events{}
	s, err := resilient.New(at, append([]resilient.Option{resilient.Observe(seen.add)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s, seen
}

// events records the events that an observer is told.
type events struct {
	mu  sync.Mutex
	all []resilient.Event
}

func (e *events) add(one resilient.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, one)
}

// sofar returns all events.
func (e *events) sofar() []resilient.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// of returns the events of one kind.
func (e *events) of(kind resilient.Kind) (some []resilient.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.all {
		if one.Kind == kind {
			some = append(some, one)
		}
	}
	return some
}

func put(t *testing.T, s *resilient.Store, key, value string, want outcome) {
	t.Helper()
	if got, err := outcomeOf(s.Set(t.Context(), key, []byte(value), storage.Forever)); err != nil || got != want {
		t.Fatalf("Set of %q: %v, %v; want %v", key, got, err, want)
	}
}

func remove(t *testing.T, s *resilient.Store, key string, want outcome) {
	t.Helper()
	if got, err := deleted(s.Delete(t.Context(), key)); err != nil || got != want {
		t.Fatalf("Delete of %q: %v, %v; want %v", key, got, err, want)
	}
}

// appends returns a function for Update that appends to the value.
func appends(text string) func(storage.Record) ([]byte, time.Duration, error) {
	return func(now storage.Record) ([]byte, time.Duration, error) {
		return append(now.Value, text...), storage.Forever, nil
	}
}

func update(t *testing.T, s *resilient.Store, key, text string, want outcome) {
	t.Helper()
	if _, got, err := updated(s.Update(t.Context(), key, appends(text))); err != nil || got != want {
		t.Fatalf("Update of %q: %v, %v; want %v", key, got, err, want)
	}
}

func holds(t *testing.T, b storage.Bytes, key, want string) {
	t.Helper()
	r, err := b.Get(t.Context(), key)
	if err != nil || !r.Found || string(r.Value) != want {
		t.Fatalf("%q holds %q (found %v), %v; want %q", key, r.Value, r.Found, err, want)
	}
}

func lacks(t *testing.T, b storage.Bytes, key string) {
	t.Helper()
	if r, err := b.Get(t.Context(), key); err != nil || r.Found {
		t.Fatalf("%q holds %q, %v; want nothing", key, r.Value, err)
	}
}

// later lets time pass, and waits until what it wakes is at rest.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
