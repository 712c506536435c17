package storage

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
)

// batch is how many records are processed under one lock.
const batch = 1000

// GetMany returns the records of the keys, in their order.
func (m *Memory) GetMany(ctx context.Context, keys []string) ([]Record, error) {
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	found := make([]Record, len(keys))
	m.mu.RLock()
	now := m.now()
	for i, key := range keys {
		found[i] = m.read(key, now)
	}
	m.mu.RUnlock()
	for i, r := range found {
		found[i] = r.copied()
	}
	return found, nil
}

// SetMany stores copies of the items.
func (m *Memory) SetMany(ctx context.Context, items []Item) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	var errs []error
	taken := make([]Item, 0, len(items))
	for i, item := range items {
		if item, err := m.taken(item); err != nil {
			errs = append(errs, &ItemError{i, err})
		} else {
			taken = append(taken, item)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for _, item := range taken {
		m.put(item, now)
	}
	return errors.Join(errs...)
}

// DeleteMany deletes records, and reports which there were.
func (m *Memory) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	existed := make([]bool, len(keys))
	for i, key := range keys {
		existed[i] = m.remove(key, now)
	}
	return existed, nil
}

// Keys yields the keys of the records that exist when it begins.
func (m *Memory) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := m.ready(ctx); err != nil {
			yield("", err)
			return
		}
		for _, key := range m.withPrefix(prefix, true) {
			if err := m.ready(ctx); err != nil {
				yield("", err)
				return
			}
			if !yield(key, nil) {
				return
			}
		}
	}
}

// Clear deletes records and claims whose keys begin with the prefix.
func (m *Memory) Clear(ctx context.Context, prefix string) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	for keys := range slices.Chunk(m.withPrefix(prefix, false), batch) {
		m.mu.Lock()
		now := m.now()
		for _, key := range keys {
			m.remove(key, now)
		}
		m.mu.Unlock()
	}
	return nil
}

// withPrefix returns the keys that begin with a prefix, of live records or of all records
// and claims.
func (m *Memory) withPrefix(prefix string, live bool) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	now := m.now()
	var keys []string
	for key, r := range m.byKey {
		if strings.HasPrefix(key, prefix) && (!live || r.liveAt(now)) {
			keys = append(keys, key)
		}
	}
	return keys
}
