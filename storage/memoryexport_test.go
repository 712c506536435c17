package storage

import (
	"fmt"
	"weak"
)

// What tests have to see of a Memory.

// RecordCost is what a record takes besides its key and value; VersionsCost and
// VersionCost are what versions take, and each of them besides its text.
const (
	RecordCost   = recordCost
	VersionsCost = versionsCost
	VersionCost  = versionCost
)

// Held is how many records there are, expired and only claimed ones too, and
// what all of them cost.
func (m *Memory) Held() (n int, size int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.byKey), m.size
}

// Armed reports whether the timer is armed.
func (m *Memory) Armed() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.sweeper.at != never
}

// Collected reports whether what the store consists of has been collected.
func (m *Memory) Collected() func() bool {
	here := weak.Make(m.records)
	return func() bool { return here.Value() == nil }
}

// Sound returns what is wrong with a Memory's inner state, or nil.
func (m *Memory) Sound() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	size, claimed, ending := int64(0), 0, 0
	for key, r := range m.byKey {
		size += cost(key, r.value)
		if !r.has {
			claimed++
		}
		if r.over() != never {
			ending++
		}
		switch {
		case r.key != key:
			return fmt.Errorf("the record of %q says that it is that of %q", key, r.key)
		case !r.has && (r.value != nil || r.generation == 0 && m.versions[key] == nil):
			return fmt.Errorf("%q has no value, no claim and no versions: %+v", key, r)
		case (r.over() == never) != (r.place == nowhere):
			return fmt.Errorf("%q ends at %d and is at place %d", key, r.over(), r.place)
		case r.place != nowhere && m.ends[r.place] != r:
			return fmt.Errorf("%q is not at its place among the ends", key)
		}
	}
	for key, v := range m.versions {
		size += versionsCost
		for _, version := range v.made {
			size += versionCost + int64(len(version))
		}
		if m.byKey[key] == nil || len(v.made) > versionsMade {
			return fmt.Errorf("%d versions are known of %q, which has the record %+v", len(v.made), key, m.byKey[key])
		}
	}
	for i, r := range m.ends {
		if i > 0 && r.over() < m.ends[(i-1)/2].over() {
			return fmt.Errorf("%q ends before what lies above it", r.key)
		}
	}
	n := 0
	for r := m.ring.head.behind; r != &m.ring.head; r = r.behind {
		if n++; m.byKey[r.key] != r || r.behind.before != r {
			return fmt.Errorf("%q is not as it should be in the ring", r.key)
		}
	}
	switch {
	case size != m.size || size > m.capacity:
		return fmt.Errorf("all cost %d, said to be %d, of %d", size, m.size, m.capacity)
	case claimed != m.claimed:
		return fmt.Errorf("%d are only claimed, said to be %d", claimed, m.claimed)
	case n != len(m.byKey):
		return fmt.Errorf("%d are in the ring of %d", n, len(m.byKey))
	case ending != len(m.ends):
		return fmt.Errorf("%d are among the ends of %d", len(m.ends), ending)
	case len(m.ends) > 0 && m.sweeper.at == never:
		return fmt.Errorf("the timer is not armed while %d are to end", len(m.ends))
	}
	return nil
}
