package synced_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

const prefix = "svc:"

// server stands in for one: a store in memory that can be away, and can leave
// after it has done what it was asked and before it says so.
type server struct {
	memory *storage.Memory

	mu    sync.Mutex
	away  chan struct{} // closed while it is away
	mute  int           // how many of the next swaps are done and not acknowledged
	asked int
}

var errAway = fmt.Errorf("the server is away: %w", io.EOF)

func newServer(t *testing.T) *server {
	s := &server{memory: storage.NewMemory(), away: make(chan struct{})}
	t.Cleanup(func() { closes(t, s.memory) })
	return s
}

func closes(t testing.TB, c interface{ Close() error }) {
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// leave makes it go away, and comeBack be there again with what it had.
func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.away)
}

func (s *server) comeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = make(chan struct{})
}

// loseAnswers has it do the next swaps, as many as that, and not say so.
func (s *server) loseAnswers(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = n
}

func (s *server) ready() (left <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	select {
	case <-s.away:
		return nil, errAway
	default:
		return s.away, nil
	}
}

// count is how often it was asked by what do does.
func (s *server) count(do func()) int {
	s.mu.Lock()
	before := s.asked
	s.mu.Unlock()
	do()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked - before
}

func (s *server) Get(ctx context.Context, key string) (storage.Record, error) {
	if _, err := s.ready(); err != nil {
		return storage.Record{}, err
	}
	return s.memory.Get(ctx, key)
}

func (s *server) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if _, err := s.ready(); err != nil {
		return err
	}
	return s.memory.Set(ctx, key, value, keep)
}

func (s *server) Delete(ctx context.Context, key string) (bool, error) {
	if _, err := s.ready(); err != nil {
		return false, err
	}
	return s.memory.Delete(ctx, key)
}

func (s *server) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	if _, err := s.ready(); err != nil {
		return nil, err
	}
	return s.memory.Look(ctx, keys...)
}

func (s *server) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	if _, err := s.ready(); err != nil {
		return nil, err
	}
	made, err := s.memory.Swap(ctx, changes...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mute > 0 {
		s.mute--
		return nil, errAway
	}
	return made, err
}

func (s *server) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	if _, err := s.ready(); err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return s.memory.Keys(ctx, prefix)
}

func (s *server) Clear(ctx context.Context, prefix string) error {
	if _, err := s.ready(); err != nil {
		return err
	}
	return s.memory.Clear(ctx, prefix)
}

func (s *server) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	left, err := s.ready()
	if err != nil {
		return err
	}
	under, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-left:
			cancel()
		case <-under.Done():
		}
	}()
	err = s.memory.Watch(under, prefix, changed)
	if ctx.Err() == nil {
		err = errAway
	}
	return err
}

// has wants the server to have a text under the key, or nothing.
func (s *server) has(t *testing.T, key, want string) {
	t.Helper()
	r, err := s.memory.Get(t.Context(), prefix+key)
	if err != nil || string(r.Value) != want || r.Found != (want != "") {
		t.Errorf("the server has %q (%v) under %s, want %q: %v", r.Value, r.Found, key, want, err)
	}
}

// write stores a text as another program does.
func (s *server) write(t *testing.T, key, value string) {
	t.Helper()
	if err := s.memory.Set(t.Context(), prefix+key, []byte(value), storage.Forever); err != nil {
		t.Fatal(err)
	}
}

// member is a process's memory over the server. It ends with the test.
func (s *server) member(t *testing.T) *synced.Memory {
	t.Helper()
	return s.memberOf(t, prefix)
}

func (s *server) memberOf(t *testing.T, prefix string, opts ...resilient.Option) *synced.Memory {
	t.Helper()
	store, err := resilient.New(s, append([]resilient.Option{resilient.FailAway(), resilient.Observe(nil)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := synced.New(t.Context(), store, prefix)
	if err != nil {
		t.Fatal(err)
	}
	closesInTime(t, m)
	return m
}

// closesInTime closes a memory at the end. What it loses is its test's matter.
func closesInTime(t testing.TB, m *synced.Memory) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = m.Close(ctx)
	})
}

// longest is more than the time until a server that is back is asked again.
const longest = time.Minute

// inTime runs a test in virtual time.
func inTime(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newServer(t)) })
}

// of makes a value, a list or a dict.
func of[V any](t *testing.T, v V, err error) V {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func variable[T any](t *testing.T, m *synced.Memory, name string, opts ...synced.Option[T]) *synced.Var[T] {
	t.Helper()
	v, err := synced.NewVar(m, name, opts...)
	return of(t, v, err)
}

func list[T any](t *testing.T, m *synced.Memory, name string) *synced.List[T] {
	t.Helper()
	l, err := synced.NewList[T](m, name)
	return of(t, l, err)
}

func dict[T any](t *testing.T, m *synced.Memory, name string) *synced.Dict[T] {
	t.Helper()
	d, err := synced.NewDict[T](m, name)
	return of(t, d, err)
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// queued wants an error that says so.
func queued(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, synced.ErrQueued) {
		t.Errorf("the error is %v, want ErrQueued", err)
	}
}

// matches wants an error of a kind.
func matches(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("the error is %v, want %v", err, want)
	}
}

// reader is what has a value as a whole.
type reader[T any] interface {
	Get(ctx context.Context) (T, error)
}

type all[T any] interface {
	All(ctx context.Context) (T, error)
}

func wantValue[T any](t *testing.T, v reader[T], want T) {
	t.Helper()
	got, err := v.Get(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get: %#v, %v; want %#v", got, err, want)
	}
}

func wantAll[T any](t *testing.T, v all[T], want T) {
	t.Helper()
	got, err := v.All(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("All: %#v, %v; want %#v", got, err, want)
	}
}

func wantNames(t *testing.T, m *synced.Memory, want ...string) {
	t.Helper()
	got, err := m.Names(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Names: %q, %v; want %q", got, err, want)
	}
}
