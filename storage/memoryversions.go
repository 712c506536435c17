package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
)

// versions is what a record was and is: kept for those that somebody has looked
// at, or swapped, or watches. It stays for VersionsKept after its record, which
// is kept without a value for so long.
type versions struct {
	now  string   // what the record is: "" where there is none, or nobody has asked
	made []string // by all changes, the last ones, "now" among them
}

const (
	versionsMade = 256 // that are known again
	versionsCost = 160
	versionCost  = 16 // besides its text
)

// Look returns copies of the keys' records with their versions. Versions count for the
// capacity; a record that is evicted loses them.
func (m *Memory) Look(ctx context.Context, keys ...string) ([]Versioned, error) {
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	found := make([]Versioned, len(keys))
	m.mu.Lock()
	now := m.now()
	for i, key := range keys {
		found[i] = Versioned{m.read(key, now), m.version(key, now)}
	}
	m.evict(now, nil)
	m.mu.Unlock()
	for i, v := range found {
		found[i].Record = v.copied()
	}
	return found, nil
}

// Swap makes the changes whose records have the versions that they were based on, and
// stores copies of the values.
func (m *Memory) Swap(ctx context.Context, changes ...Change) (made []bool, err error) {
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	var errs []error
	taken := make([]Change, len(changes))
	for i, c := range changes {
		err := c.Check()
		if err == nil {
			c.Item, err = m.taken(c.Item)
		}
		if err != nil {
			errs = append(errs, &ItemError{i, err})
			c.Becomes = "" // which is not made
		}
		taken[i] = c
	}
	made = make([]bool, len(changes))
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for i, c := range taken {
		made[i] = c.Becomes != "" && m.swap(c, now)
	}
	m.evict(now, nil)
	return made, errors.Join(errs...)
}

func (m *records) swap(c Change, now int64) (made bool) {
	if v := m.versions[c.Key]; v != nil && slices.Contains(v.made, c.Becomes) {
		return true
	}
	if m.version(c.Key, now) != c.Was {
		return false
	}
	if m.byKey[c.Key] == nil {
		m.insert(c.Key)
	}
	m.track(c.Key) // so that it is known again, whatever it does
	m.putAs(c.Item, c.Becomes, now)
	return true
}

// version is what the key's record is, "" where there is none.
func (m *records) version(key string, now int64) string {
	if m.live(key, now) == nil {
		return ""
	}
	v := m.track(key)
	if v.now == "" {
		v.now = rand.Text()
		m.makes(key, v.now)
	}
	return v.now
}

// track is the versions of a key that has a record.
func (m *records) track(key string) *versions {
	v := m.versions[key]
	if v == nil {
		v = &versions{}
		if m.versions == nil {
			m.versions = map[string]*versions{}
		}
		m.versions[key] = v
		m.size += versionsCost
	}
	return v
}

// makes puts down a version that is made.
func (m *records) makes(key, version string) {
	v := m.track(key)
	v.made = append(v.made, version)
	m.size += versionCost + int64(len(version))
	if len(v.made) > versionsMade {
		m.size -= versionCost + int64(len(v.made[0]))
		v.made = slices.Delete(v.made, 0, 1)
	}
}

// forget drops what is known of a key's versions.
func (m *records) forget(key string) {
	v := m.versions[key]
	if v == nil {
		return
	}
	delete(m.versions, key)
	m.size -= versionsCost
	for _, version := range v.made {
		m.size -= versionCost + int64(len(version))
	}
}

// changed puts down that a key's record is another one, or none, and tells who
// watches. A version of "" is any.
func (m *records) changed(key, version string, has bool) {
	watched := m.watched(key)
	if version == "" && watched && has {
		version = rand.Text()
	}
	is := "" // no record
	if has {
		is = version
	}
	if v := m.versions[key]; v != nil {
		v.now = is
	} else if is != "" {
		m.track(key).now = is
	}
	if version != "" {
		m.makes(key, version)
	}
	if watched {
		m.tell(Changed{Key: key, Version: is})
	}
}
