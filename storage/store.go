package storage

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/serde"
)

// Store is an open store that functions share: give it to config.Store. The keys of each
// function begin with its name. Methods may be called concurrently.
type Store struct {
	bytes  Bytes
	name   string
	prefix string
	format serde.Format

	breaker breaker.Breaker // before it: see Breaker

	mu     sync.Mutex
	spaces map[string]*space // the parts of the keys that functions have
}

// space is a function's part of the keys.
type space struct {
	by   any // stands for the function: another of the same name is not it
	uses int
}

// Share makes a Store of a Bytes: a client of your own, or what a driver's package makes
// of a client that you have configured.
func Share(b Bytes, opts ...ShareOption) (*Store, error) {
	if b == nil {
		return nil, fmt.Errorf("storage: Share is given nil: give it a Bytes")
	}
	s, err := newStore(opts)
	if err != nil {
		return nil, fmt.Errorf("storage: Share: %w", err)
	}
	s.bytes, s.name = b, fmt.Sprintf("%T", b)
	if named, ok := b.(fmt.Stringer); ok {
		s.name = named.String()
	}
	return s, nil
}

// Breaker is the one that its functions share: nobody asks a store that is away.
func (s *Store) Breaker(module.Only) *breaker.Breaker { return &s.breaker }

// ShareOption configures a Store.
type ShareOption struct {
	set func(s *Store) error
}

// Prefix is put before every key, so that several programs can use one server. Write the
// colon at its end too. Default: none.
func Prefix(prefix string) ShareOption {
	return ShareOption{func(s *Store) error {
		s.prefix = prefix
		return nil
	}}
}

func newStore(opts []ShareOption) (*Store, error) {
	s := &Store{spaces: map[string]*space{}}
	for _, o := range opts {
		if o.set == nil {
			return s, errors.New("storage: a zero ShareOption: make one with Prefix or another function of this package")
		}
		if err := o.set(s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Bytes returns the store of bytes beneath, which does not add the prefix.
func (s *Store) Bytes() Bytes { return s.bytes }

// Close closes the store beneath if it is an io.Closer. Functions that use it stay open:
// the store counts as a miss for them.
func (s *Store) Close() error {
	if c, ok := s.bytes.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// String tells where the store is, without user and password.
func (s *Store) String() string { return s.name }

// Format sets how values are written, as serde.Parse reads it, say json+zstd. Default:
// json. A function can have its own: see config.SerDe.
func Format(text string) ShareOption {
	return ShareOption{func(s *Store) (err error) {
		if text != "" {
			s.format, err = serde.Parse(text)
		}
		return err
	}}
}

// take gives a part of the keys to a function. The same function may take it several
// times, say while its configuration changes.
func (s *Store) take(name, owner string, by any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.spaces[name]
	if taken != nil && taken.by != by {
		return fmt.Errorf("it serves another function called %q, whose entries have the same keys: give each a name with config.Name, or close the first", owner)
	}
	if taken == nil {
		taken = &space{by: by}
		s.spaces[name] = taken
	}
	taken.uses++
	return nil
}

func (s *Store) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if taken := s.spaces[name]; taken != nil {
		if taken.uses--; taken.uses == 0 {
			delete(s.spaces, name)
		}
	}
}
