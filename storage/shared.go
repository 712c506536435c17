package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/bind"
	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/internal/keytext"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/serde"
)

// shared is a function's part of a Store. The engine calls what it has besides Storage
// by interfaces.
type shared[K comparable, V any] struct {
	store  *Store
	serde  serde.SerDe[V]
	schema int
	most   int      // the longest key, 0 where there is no limit
	scoped bool     // keys are in scopes
	lost   []string // fields that the SerDe leaves out

	clock atomic.Pointer[func() entry.Instant]

	mu    sync.Mutex
	space string // what every key begins with; set by BindFor
	place *place // the same, for bind
	open  bool   // a brace is, in the space
}

// NewShared returns one function's part of a store, as config.Store sets it: entries
// under keys that begin with the store's prefix, the function's name and the schema. The
// SerDe writes them; nil is the store's own format.
//
// The store's clock says how old an entry is, if the store can tell how long it keeps a
// record; else the clock of the process that stored it. A key without a text and a value
// that the SerDe does not take are ErrUnstorable, in a bulk an *ItemError each. The
// Abilities are those of the store.
func NewShared[K comparable, V any](s *Store, sd serde.SerDe[V], schema int) (Storage[K, V], error) {
	part, err := newShared[K](s, sd, schema)
	if err != nil {
		return nil, err
	}
	return part, nil
}

func newShared[K comparable, V any](s *Store, sd serde.SerDe[V], schema int) (*shared[K, V], error) {
	if s == nil {
		return nil, errors.New("storage: the Store is nil: open one with storage.Open, or make one with storage.Share")
	}
	if err := keytext.Check(reflect.TypeFor[K]()); err != nil {
		return nil, fmt.Errorf("storage: keys of type %v can't be shared: %w", reflect.TypeFor[K](), err)
	}
	if sd == nil {
		var err error
		if sd, err = serde.For[V](s.format); err != nil {
			return nil, fmt.Errorf("storage: %s can't keep values of type %v: %w", s, reflect.TypeFor[V](), err)
		}
	}
	lost, err := serde.Inspect(sd)
	if err != nil {
		return nil, fmt.Errorf("storage: %s can't keep values of type %v: %w", s, reflect.TypeFor[V](), err)
	}
	part := &shared[K, V]{store: s, serde: sd, schema: schema, lost: lost, place: &place{store: weak.Make(s)}}
	_, part.scoped = any(*new(K)).(module.Scoped)
	part.SetClock(func() entry.Instant { return entry.Instant(coarse.Exact()) })
	if limit, ok := s.bytes.(KeyLimit); ok {
		part.most = limit.MaxKey()
	}
	return part, nil
}

// Breaker is that of the store.
func (s *shared[K, V]) Breaker(module.Only) *breaker.Breaker { return s.store.Breaker(module.Only{}) }

// Loses names the fields of values that are not written, for they are not exported.
func (s *shared[K, V]) Loses() []string { return s.lost }

// SetClock makes it live on the clock of its function. Default: the real clock.
func (s *shared[K, V]) SetClock(now func() entry.Instant) { s.clock.Store(&now) }

func (s *shared[K, V]) now() entry.Instant { return (*s.clock.Load())() }

// BindFor takes the function's part of the store. Two functions of one name on
// one store are an error that names it.
func (s *shared[K, V]) BindFor(owner string, by any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	space := s.store.prefix + keytext.Name(owner) + ":" + strconv.Itoa(s.schema) + ":"
	if err := s.store.take(space, owner, by); err != nil {
		return err
	}
	s.space, s.open = space, isOpen(space)
	s.place.take(space)
	return nil
}

// Bind is BindFor for one who binds once.
func (s *shared[K, V]) Bind(owner string) error { return s.BindFor(owner, s) }

// Unbind gives the function's part of the store back. What is stored stays.
func (s *shared[K, V]) Unbind() { s.place.Unbind() }

// Weak stands for the function's part of the store, which may be there for longer
// than the function.
func (s *shared[K, V]) Weak() bind.Weak { return s.place }

// place is a function's part of a store that it does not keep alive.
type place struct {
	store weak.Pointer[Store]
	mu    sync.Mutex
	space string
}

func (p *place) take(space string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.space = space
}

// Unbind gives the part back, if the store is still there.
func (p *place) Unbind() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if store := p.store.Value(); store != nil {
		store.release(p.space)
	}
}

// NeedsName makes functions that have no name of their own be refused: what a
// closure is called changes with the code around it.
func (s *shared[K, V]) NeedsName() {}

// ErrUnreadable marks the error of a record that is another program's, of another version,
// or damaged. It counts as missing, and the next write replaces it. Stores wrap it in
// their own errors.
var ErrUnreadable = errors.New("storage: the record can't be read, and counts as missing")

// KeyText returns the store's key for a key: one and the same for equal keys, and
// different ones for different keys. If it would be longer than the store allows, a hash of
// 128 bits follows the schema; that of a config.Scoped follows its scope, or a hash of that.
//
// A Redis Cluster puts keys together that have the same text between their first braces.
// Only the prefix may decide that. If the key's own text would, KeyText puts an empty pair
// of braces before it, which makes all of the key count.
func (s *shared[K, V]) KeyText(key K) (string, error) {
	var room [128]byte
	text, err := keytext.Append(append(room[:0], s.space...), key)
	if err != nil {
		return "", unstorable(fmt.Errorf("storage: a key of %s can't be written: %w", s, err))
	}
	own := text[len(s.space):]
	braces := ""
	if !spreads(own) {
		braces = "{}"
	}
	if s.most > 0 && len(text)+len(braces) > s.most || s.open && bytes.IndexByte(own, '}') >= 0 {
		if s.scoped {
			return s.hashedInScope(any(key).(module.Scoped).InScope(module.Only{}), own), nil
		}
		return s.space + hashed(own), nil
	}
	if braces != "" {
		return s.space + braces + string(own), nil
	}
	return string(text), nil
}

// hashed is what stands for a text that is too long. No text of a key, or of a part of
// one, begins so.
func hashed(text []byte) string {
	sum := sha256.Sum256(text)
	return "#" + hex.EncodeToString(sum[:16])
}

// spreads reports whether all that tells a key from others counts in a Redis Cluster:
// its text has no brace, or all of it is between the first two.
func spreads(text []byte) bool {
	switch bytes.IndexByte(text, '{') {
	case -1:
		return true
	case 0:
		end := bytes.IndexByte(text, '}') // a key that is hashed in its scope may have none
		return end < 0 || len(bytes.Trim(text[end:], "}])")) == 0
	}
	return false
}

// isOpen reports whether a brace is opened and not closed: it would go with the first
// that a key closes.
func isOpen(space string) bool {
	_, tag, opened := strings.Cut(space, "{")
	return opened && !strings.Contains(tag, "}")
}

// Get returns the key's entry, or nil.
func (s *shared[K, V]) Get(ctx context.Context, key K) (*entry.Entry[V], error) {
	text, err := s.KeyText(key)
	if err != nil {
		return nil, err
	}
	r, err := s.store.bytes.Get(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.read(text, r)
}

// Offer stores the entry until its KeepUntil.
func (s *shared[K, V]) Offer(ctx context.Context, key K, e *entry.Entry[V]) error {
	item, err := s.write(key, e)
	if err != nil {
		return err
	}
	return s.store.bytes.Set(ctx, item.Key, item.Value, item.Keep)
}

// Release deletes the key's entry.
func (s *shared[K, V]) Release(ctx context.Context, key K) error {
	text, err := s.KeyText(key)
	if err != nil {
		return err
	}
	_, err = s.store.bytes.Delete(ctx, text)
	return err
}

// Abilities are those of the store beneath.
func (s *shared[K, V]) Abilities() (a Abilities[K, V]) {
	if b, ok := s.store.bytes.(BulkReaderBytes); ok {
		a.BulkReader = sharedBulkReader[K, V]{s, b}
	}
	if b, ok := s.store.bytes.(BulkBytes); ok {
		a.Bulk = sharedBulk[K, V]{sharedBulkReader[K, V]{s, b}, b}
	}
	if b, ok := s.store.bytes.(FencedBytes); ok {
		a.Fenced = sharedFenced[K, V]{s, b}
	}
	if b, ok := s.store.bytes.(SwapperBytes); ok {
		a.Swapper = sharedSwapper[K, V]{sharedFenced[K, V]{s, b}, b}
	}
	if b, ok := s.store.bytes.(ListerBytes); ok {
		a.Clearer = sharedClearer[K, V]{s, b}
		if s.scoped {
			a.Clearer = sharedScopes[K, V]{sharedClearer[K, V]{s, b}}
		}
	}
	a.Prompt, a.Ordered = isPrompt(s.store.bytes), isOrdered(s.store.bytes)
	return a
}

// String says where the entries are.
func (s *shared[K, V]) String() string { return "Shared[" + s.store.String() + "]" }

// read makes an entry of a record. The instants that are written are those of
// another process's clock, and only their distances count where the store says
// for how long it keeps the record: that is never longer than the whole life, so
// that a record that is replaced while it is read gets no other's time.
func (s *shared[K, V]) read(key string, r Record) (*entry.Entry[V], error) {
	if !r.Found {
		return nil, nil
	}
	e, err := s.serde.Deserialize(r.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: what %s has under %q: %w", ErrUnreadable, s.store, key, err)
	}
	end := e.KeepUntil()
	if r.Left <= 0 || r.Left == Forever || end == entry.Never {
		return e, nil
	}
	left := min(r.Left, end.Sub(e.Created()))
	return e.Shifted(s.now().Add(left).Sub(end)), nil
}

// Whole tells whether the SerDe writes all that an entry may have: see serde.Whole.
func (s *shared[K, V]) Whole() bool { return serde.IsWhole(s.serde) }

// write makes a record of an entry.
func (s *shared[K, V]) write(key K, e *entry.Entry[V]) (Item, error) {
	text, err := s.KeyText(key)
	if err != nil {
		return Item{}, err
	}
	value, err := s.serde.Serialize(e)
	if err != nil {
		return Item{}, unstorable(fmt.Errorf("storage: the value for %q can't be written: %w", text, err))
	}
	return Item{Key: text, Value: value, Keep: s.keep(e)}, nil
}

func (s *shared[K, V]) keep(e *entry.Entry[V]) time.Duration {
	if e.KeepUntil() == entry.Never {
		return Forever
	}
	return e.KeepUntil().Sub(s.now())
}
