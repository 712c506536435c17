package resilient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// Cache is a Store for the functions that memoize: it has the claims that keep out
// of a shared store what was loaded before an invalidation. Give it to
// storage.Share. Its methods may be called concurrently. Close it.
//
// While the store is away, what a function loads is kept here, for this process
// alone, and is gone when the store is back: nobody can tell whether another
// process has invalidated it meanwhile. What is deleted waits, and is deleted
// then whatever is there; what is Set waits, and is stored if nobody has changed
// the record.
type Cache struct {
	s     *Store
	fence storage.FencedBytes
}

var _ interface {
	storage.Bytes
	storage.FencedBytes
	storage.KeyLimit
} = (*Cache)(nil)

// FencedStore is what a Cache is made over, as memcachedstore.Store.
type FencedStore interface {
	storage.Bytes
	storage.FencedBytes
}

// NewCache makes a Cache over a store, which stays its maker's to close. For one
// that can list its keys and takes many at a time, use NewBulkCache.
func NewCache(store FencedStore, opts ...Option) (*Cache, error) {
	if store == nil {
		return nil, errors.New("resilient: the store is nil: give it one, such as redisstore.New(client)")
	}
	s, err := newStore(store, opts)
	if err != nil {
		return nil, err
	}
	s.ground, s.deletes = fenced{plain{store}, store, s.timeout}, true
	return &Cache{s, store}, nil
}

// Get is Store.Get.
func (c *Cache) Get(ctx context.Context, key string) (storage.Record, error) {
	return c.s.Get(ctx, key)
}

// Set is Store.Set.
func (c *Cache) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return c.s.Set(ctx, key, value, keep)
}

// Delete is Store.Delete, but that one that has waited deletes whatever is there.
func (c *Cache) Delete(ctx context.Context, key string) (existed bool, err error) {
	return c.s.Delete(ctx, key)
}

// Flush is Store.Flush.
func (c *Cache) Flush(ctx context.Context) error { return c.s.Flush(ctx) }

// Close is Store.Close.
func (c *Cache) Close(ctx context.Context) error { return c.s.Close(ctx) }

// Stats is Store.Stats.
func (c *Cache) Stats() Stats { return c.s.Stats() }

// MaxKey is Store.MaxKey.
func (c *Cache) MaxKey() int { return c.s.MaxKey() }

// String names the store beneath.
func (c *Cache) String() string { return c.s.String() }

// Claim claims the keys in the store, or here while it is away or something waits
// for them.
func (c *Cache) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := c.s
	claims := make([]storage.Claimed, len(keys))
	here := make([]bool, len(keys))
	tokens := make([]token, len(keys))
	var there []string
	s.mu.Lock()
	if err := s.ready(); err != nil {
		s.unlock()
		return nil, err
	}
	era := s.breaker.era
	for i, key := range keys {
		tokens[i] = s.token(key, hold)
		if here[i] = s.local(key); !here[i] {
			there = append(there, key)
		}
	}
	s.unlock()
	if len(there) > 0 {
		var found []storage.Claimed
		verdict, err := s.call(ctx, era, there[0], func(ctx context.Context) (err error) {
			found, err = c.fence.Claim(ctx, hold, there...)
			return err
		})
		switch {
		case verdict == Away || verdict == Unknown:
			for i := range here {
				here[i] = true
			}
		case err != nil:
			return nil, err
		}
		s.mu.Lock()
		next := 0
		for i, key := range keys {
			if here[i] {
				continue
			}
			f := found[next]
			next++
			claims[i] = storage.Claimed{Record: f.Record, Token: tokens[i].text(f.Token)}
			if tokens[i].epoch == *s.epoch(key) {
				s.putCopy(s.seen(plainVersion(f.Record), key))
			}
		}
		s.unlock()
	}
	s.mu.Lock()
	defer s.unlock()
	for i, key := range keys {
		if here[i] {
			r, _ := s.known(key)
			claims[i] = storage.Claimed{Record: own(r), Token: s.token(key, hold).text("")}
		}
	}
	return claims, nil
}

// Fill fills claims in the store. Those that were made here are filled here, as
// long as the store is away, and are told as stored; so are those that it has no
// answer for.
func (c *Cache) Fill(ctx context.Context, fills ...storage.Filling) (stored []bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := c.s
	stored = make([]bool, len(fills))
	tokens := make([]token, len(fills))
	var there []storage.Filling
	var places []int
	s.mu.Lock()
	if err := s.ready(); err != nil {
		s.unlock()
		return nil, err
	}
	era := s.breaker.era
	for i, f := range fills {
		tokens[i], f.Token = parseToken(f.Token)
		switch {
		case s.away():
			stored[i] = s.fillHere(f.Item, tokens[i])
		case s.queue.get(f.Key) == nil && f.Token != "":
			there, places = append(there, f), append(places, i)
		}
	}
	s.unlock()
	if len(there) == 0 {
		return stored, nil
	}
	var filled []bool
	verdict, err := s.call(ctx, era, there[0].Key, func(ctx context.Context) (err error) {
		filled, err = c.fence.Fill(ctx, there...)
		return err
	})
	away := verdict == Away || verdict == Unknown
	if away {
		err = nil
	}
	s.mu.Lock()
	defer s.unlock()
	for i, place := range places {
		f := there[i].Item
		switch {
		case away:
			stored[place] = s.fillHere(f, tokens[place])
		case i < len(filled) && filled[i]:
			stored[place] = true
			if tokens[place].epoch == *s.epoch(f.Key) {
				s.putCopy(s.seen(plainVersion(storage.Record{Value: f.Value, Left: f.Keep, Found: f.Keep > 0}), f.Key))
			}
		}
	}
	return stored, err
}

// fillHere keeps a copy of what was loaded, unless the key was deleted or set since
// it was claimed, or the store was back meanwhile. What the store has is what was
// seen there before.
func (s *Store) fillHere(item storage.Item, claimed token) bool {
	now := s.clock.Now()
	if claimed.era != s.breaker.era || claimed.epoch != *s.epoch(item.Key) || s.clock.Since(s.born) >= claimed.until {
		return false
	}
	one := s.copyOf(item.Key, append([]byte{}, item.Value...), item.Keep, now)
	if p := s.queue.get(item.Key); p != nil {
		if p.parts[0].kind != deletes || !s.queue.fits(p, p.key, p.parts, one, p.sent) {
			return false // what was Set comes first
		}
		p.result = one // until the deletion is delivered
		s.queue.setParts(p, p.parts)
		return true
	}
	one.is = s.copies.get(item.Key).versions(now)
	s.putCopy(one)
	return true
}

// plainVersion is the record with what stands for its version where there is none.
func plainVersion(r storage.Record) storage.Versioned {
	if !r.Found {
		return storage.Versioned{}
	}
	return storage.Versioned{Record: r, Version: sum(r.Value)}
}

// token is what a claim is known by here: what the key was when it was made. The
// store's own token follows, where it was made there.
type token struct {
	era, epoch uint64
	until      time.Duration // since the Store was made
}

const tokenSize = 3 * 8

func (s *Store) token(key string, hold time.Duration) token {
	until := s.clock.Since(s.born)
	return token{s.breaker.era, *s.epoch(key), until + min(hold, storage.Forever-until)}
}

func (t token) text(theirs string) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, tokenSize+len(theirs)), t.era)
	b = binary.BigEndian.AppendUint64(b, t.epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(t.until))
	return string(append(b, theirs...))
}

func parseToken(text string) (t token, theirs string) {
	if len(text) < tokenSize {
		return token{era: ^uint64(0)}, ""
	}
	b := []byte(text[:tokenSize])
	return token{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), time.Duration(binary.BigEndian.Uint64(b[16:]))}, text[tokenSize:]
}

// clear drops what is here of the keys that begin with the prefix.
func (s *Store) clear(prefix string) {
	for key, e := range s.queue.byKey {
		if strings.HasPrefix(key, prefix) {
			p := e.Value.(*pending)
			s.counts.superseded += uint64(len(p.parts))
			s.queue.remove(p)
		}
	}
	for key := range s.copies.byKey {
		if strings.HasPrefix(key, prefix) {
			s.copies.drop(key)
		}
	}
	for i := range s.epochs {
		s.epochs[i]++
	}
}

// errAway says that something can't be done while the store is away.
func (s *Store) errAway() error { return fmt.Errorf("%w: %w", ErrAway, s.breaker.err) }
