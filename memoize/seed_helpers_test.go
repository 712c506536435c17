package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// args are the arguments of the seed's get_value(arg, kwarg=None).
type args = memoize.Args2[string, string]

// program is a part of a program: it holds a memoized function, whose values lead
// back to it.
type program struct {
	users   memoize.Handle
	call    func(ctx context.Context) error
	support invalidation.Support[string]
	client  int
}

// user is a value that can ask its program for more, if it has one. Functions whose
// keys are of a type that few tests need have users as their values: to compile a
// function for another pair of types takes seconds.
type user struct {
	N    int
	Name string
	of   *program
}

// number gives the number of the user that a call returns.
func number(u *user, err error) (int, error) {
	if u == nil {
		return 0, err
	}
	return u.N, err
}

// scripted is a source that returns what it is told to at present.
type scripted[A, V any] struct {
	mu    sync.Mutex
	value V
	err   error
	takes time.Duration
	gate  chan struct{}
	calls int
	asked []A
}

func returning[A, V any](value V) *scripted[A, V] { return &scripted[A, V]{value: value} }

func (s *scripted[A, V]) returns(value V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value, s.err = value, nil
}

func (s *scripted[A, V]) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// holds makes calls that begin from now on wait until open is called.
func (s *scripted[A, V]) holds() (open func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.gate = gate
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(gate)
		if s.gate == gate {
			s.gate = nil
		}
	})
}

// lets makes calls that begin from now on pass, whatever holds older ones.
func (s *scripted[A, V]) lets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = nil
}

func (s *scripted[A, V]) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// load returns what was scripted when it was called. It does not look at its
// context.
func (s *scripted[A, V]) load(_ context.Context, arg A) (V, error) {
	s.mu.Lock()
	s.calls++
	s.asked = append(s.asked, arg)
	value, err, takes, gate := s.value, s.err, s.takes, s.gate
	s.mu.Unlock()
	time.Sleep(takes)
	if gate != nil {
		<-gate
	}
	if err != nil {
		var none V
		return none, err
	}
	return value, nil
}

// returned is what a call returned.
type returned[V any] struct {
	value V
	err   error
}

// begin makes n calls at once, each on a goroutine, and waits until each has
// returned or waits. The function it returns waits for what they return.
func begin[V any](n int, call func() (V, error)) func() []returned[V] {
	all := make([]returned[V], n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { all[i].value, all[i].err = call() })
	}
	synctest.Wait()
	return func() []returned[V] {
		wg.Wait()
		return all
	}
}

// together makes n calls at once and returns what they return.
func together[V any](n int, call func() (V, error)) []returned[V] { return begin(n, call)() }

// wants checks a call that succeeds.
func wants[V comparable](t *testing.T, want V) func(got V, err error) {
	t.Helper()
	return func(got V, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("got %v, %v; want %v", got, err, want)
		}
	}
}

// allWant checks calls that all succeed with the same value.
func allWant[V comparable](t *testing.T, want V, all []returned[V]) {
	t.Helper()
	for i, r := range all {
		if r.err != nil || r.value != want {
			t.Fatalf("call %d of %d: got %v, %v; want %v", i+1, len(all), r.value, r.err, want)
		}
	}
}

// loadError checks that a load failed for the reason and cause given.
func loadError(t *testing.T, err error, reason memoize.Reason, cause error) *memoize.LoadError {
	t.Helper()
	var l *memoize.LoadError
	switch {
	case !errors.As(err, &l):
		t.Fatalf("got %v (%T), want a *LoadError", err, err)
	case l.Reason != reason:
		t.Fatalf("got %v, whose reason is %q; want %q", err, l.Reason, reason)
	case !errors.Is(err, memoize.ErrLoadFailed):
		t.Fatalf("%v does not match ErrLoadFailed", err)
	case !errors.Is(err, cause):
		t.Fatalf("%v does not match its cause %v", err, cause)
	}
	return l
}

func wantCalls(t *testing.T, s interface{ count() int }, want int) {
	t.Helper()
	if got := s.count(); got != want {
		t.Fatalf("the source was called %d times, want %d", got, want)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settled waits for the loads that run.
func settled(t *testing.T, f interface{ Wait(context.Context) error }) {
	t.Helper()
	noError(t, f.Wait(t.Context()))
	synctest.Wait()
}

// journal records calls in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// count is how often a line was recorded.
func (j *journal) count(line string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, l := range j.lines {
		if l == line {
			n++
		}
	}
	return n
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

// exactly checks that a line was recorded a number of times.
func (j *journal) exactly(t *testing.T, line string, want int) {
	t.Helper()
	if got := j.count(line); got != want {
		t.Fatalf("%q happened %d times, want %d; all that happened: %q", line, got, want, j.all())
	}
}

// mockStrategy records what it is told and names what it is told to.
type mockStrategy[K comparable] struct {
	journal
	names func() (K, bool)
	hook  func(what string) // called last in every method
}

func (s *mockStrategy[K]) done(what string) {
	if s.hook != nil {
		s.hook(what)
	}
}
func (s *mockStrategy[K]) MarkRead(key K) { s.add("read %v", key); s.done("read") }
func (s *mockStrategy[K]) MarkWritten(key K, m, _ *entry.Meta) {
	if m == nil {
		s.add("written %v without an entry", key)
		return
	}
	s.add("written %v", key)
	s.done("written")
}
func (s *mockStrategy[K]) MarkReleased(key K, _ *entry.Meta) {
	s.add("released %v", key)
	s.done("released")
}
func (s *mockStrategy[K]) NextToRelease() (key K, ok bool) {
	s.add("next")
	s.done("next")
	if s.names == nil {
		return key, false
	}
	return s.names()
}

// mockStorage records calls and keeps entries. It is not storage.Local, so that
// the engine treats it as one that may be slow or fail.
type mockStorage[K comparable, V any] struct {
	journal
	stored sync.Map
	get    func(ctx context.Context, key K) error // called first, in place of nothing
	offer  func(ctx context.Context, key K) error
	free   func(ctx context.Context, key K) error
	forget bool // Get finds nothing
}

func (s *mockStorage[K, V]) Get(ctx context.Context, key K) (*entry.Entry[V], error) {
	s.add("get %v", key)
	found, ok := s.stored.Load(key)
	if s.get != nil {
		if err := s.get(ctx, key); err != nil {
			return nil, err
		}
	}
	if !ok || s.forget {
		return nil, nil
	}
	return found.(*entry.Entry[V]), nil
}

func (s *mockStorage[K, V]) Offer(ctx context.Context, key K, e *entry.Entry[V]) error {
	s.add("offer %v=%v", key, e.Value)
	if s.offer != nil {
		if err := s.offer(ctx, key); err != nil {
			return err
		}
	}
	s.stored.Store(key, e)
	return nil
}

func (s *mockStorage[K, V]) Release(ctx context.Context, key K) error {
	s.add("release %v", key)
	if s.free != nil {
		if err := s.free(ctx, key); err != nil {
			return err
		}
	}
	s.stored.Delete(key)
	return nil
}

// holds is the value that is stored for a key, whatever its life.
func (s *mockStorage[K, V]) holds(key K) (value V, ok bool) {
	found, ok := s.stored.Load(key)
	if !ok {
		return value, false
	}
	return found.(*entry.Entry[V]).Value, true
}

// discardLog writes to nowhere.
var discardLog = slog.New(slog.DiscardHandler)

// textLog writes lines to w.
func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

var errOutage = errors.New("outage")

// minuteAndHour is the life that most tests give.
var minuteAndHour = []config.Option{config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour)}

func with(opts ...config.Option) []config.Option { return append(slices.Clone(minuteAndHour), opts...) }

func mutable(opts ...config.Option) *config.Live[string, string, int] {
	return config.Mutable(config.InMemory[string, int](opts...))
}
