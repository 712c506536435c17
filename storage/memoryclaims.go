package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// A claimed key has a generation, a number that no key gets twice. Deleting or setting a
// record removes its generation, filling a claim keeps it. So a fill is good exactly if the
// key still has the generation of its claim. A generation stays as long as a claim may be
// filled, even after the record's own end, or if there never was a record. The claims of a
// generation are numbered. A fill is refused while the value of a claim with a greater
// number is stored.

// Claim claims the keys and returns their records. A mere claim counts for the capacity
// like a record; after it is evicted it can't be filled.
func (m *Memory) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]Claimed, error) {
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	claims := make([]Claimed, len(keys))
	m.mu.Lock()
	now := m.now()
	until := after(now, hold)
	for i, key := range keys {
		claims[i] = Claimed{m.read(key, now), m.claim(key, now, until).String()}
	}
	m.evict(now, nil)
	m.mu.Unlock()
	for i, c := range claims {
		claims[i].Record = c.copied()
	}
	return claims, nil
}

// Fill stores copies of the values whose claims are good.
func (m *Memory) Fill(ctx context.Context, fills ...Filling) (stored []bool, err error) {
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	var errs []error
	taken := make([]Filling, len(fills))
	for i, f := range fills {
		item, err := m.taken(f.Item)
		if err != nil {
			errs = append(errs, &ItemError{i, err})
			f.Token = "" // which is good for nothing
		}
		taken[i] = Filling{item, f.Token, f.Touch}
	}
	stored = make([]bool, len(fills))
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for i, f := range taken {
		token, ok := parseClaim(f.Token)
		number := token.number
		if f.Touch {
			number = token.filled
		}
		r := m.byKey[f.Key]
		if stored[i] = ok && now < token.until && r != nil && r.generation == token.generation && (number >= r.filled || !r.liveAt(now)); stored[i] {
			r.filled = number
			m.store(r, f.Item, "", now)
		}
	}
	return stored, errors.Join(errs...)
}

// CompareAndSwap stores a copy of the value if the record is what the claim has returned.
func (m *Memory) CompareAndSwap(ctx context.Context, was Claimed, item Item) (swapped bool, err error) {
	if err := m.ready(ctx); err != nil {
		return false, err
	}
	item, err = m.taken(item)
	if err != nil {
		return false, err
	}
	token, ok := parseClaim(was.Token)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	r := m.byKey[item.Key]
	if !ok || now >= token.until || r == nil || r.generation != token.generation || r.liveAt(now) != was.Found || was.Found && !bytes.Equal(r.value, was.Value) {
		return false, nil
	}
	m.put(item, now)
	return true, nil
}

// claimToken is what Fill has to know of a claim.
type claimToken struct {
	generation uint64
	number     uint64 // of the claim
	filled     uint64 // of the claim whose value it has found
	until      int64
}

// String is the token as users carry it.
func (c claimToken) String() string {
	text := make([]byte, 0, 32)
	for _, n := range []uint64{c.generation, c.number, c.filled, uint64(c.until)} {
		text = binary.BigEndian.AppendUint64(text, n)
	}
	return string(text)
}

func parseClaim(text string) (c claimToken, ok bool) {
	if len(text) != 32 {
		return c, false
	}
	number := func(i int) uint64 { return binary.BigEndian.Uint64([]byte(text[8*i : 8*i+8])) }
	return claimToken{number(0), number(1), number(2), int64(number(3))}, true
}
