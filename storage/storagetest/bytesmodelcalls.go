package storagetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// What is chosen at random.

func (m *model) name() string { return m.names[m.rng.IntN(len(m.names))] }

func (m *model) some(most int) (names []string) {
	for range 1 + m.rng.IntN(most) {
		names = append(names, m.name())
	}
	return names
}

func (m *model) different() []string {
	return slices.Compact(slices.Sorted(slices.Values(m.some(4))))
}

func (m *model) value() string {
	if m.rng.IntN(8) == 0 {
		return ""
	}
	return fmt.Sprint("v", len(m.done))
}

// unit divides every time that passes, so that ends are often met exactly.
func (m *model) unit() time.Duration { return m.s.rounded(100 * time.Millisecond) }

func (m *model) keep() time.Duration {
	switch n := m.rng.IntN(12); {
	case n == 0:
		return -m.unit()
	case n == 1:
		return 0
	case n == 2:
		return storage.Forever
	case n == 3 || !m.s.Exact:
		return long
	}
	return m.unit() * time.Duration(1+m.rng.IntN(10))
}

func (m *model) advance() {
	d := m.unit() * time.Duration(1+m.rng.IntN(4))
	m.s.Advance(d)
	m.did("Advance(%v)", d)
	m.now += d
}

func (m *model) get() {
	name := m.name()
	r, err := m.s.b.Get(m.s.ctx, m.s.key(name))
	m.did("Get(%q)", name)
	m.check(err, m.shown(r), m.expected(name))
}

func (m *model) getEach() {
	for _, name := range m.names {
		r, err := m.s.b.Get(m.s.ctx, m.s.key(name))
		m.did("Get(%q)", name)
		m.check(err, m.shown(r), m.expected(name))
	}
}

func (m *model) getMany() {
	names := m.some(5)
	rs, err := m.s.bulk().GetMany(m.s.ctx, m.s.keys(names...))
	m.did("GetMany(%q)", names)
	var got, want []string
	for _, r := range rs {
		got = append(got, m.shown(r))
	}
	for _, name := range names {
		want = append(want, m.expected(name))
	}
	m.check(err, got, want)
}

func (m *model) set() {
	name, value, keep := m.name(), m.value(), m.keep()
	err := m.s.b.Set(m.s.ctx, m.s.key(name), []byte(value), keep)
	m.did("Set(%q, %q, %v)", name, value, keep)
	m.store(name, value, keep, false)
	m.check(err, "", "")
}

func (m *model) setMany() {
	var items []storage.Item
	text := ""
	for _, name := range m.some(5) {
		value, keep := m.value(), m.keep()
		items = append(items, storage.Item{Key: m.s.key(name), Value: []byte(value), Keep: keep})
		text += fmt.Sprintf(" {%q, %q, %v}", name, value, keep)
		m.store(name, value, keep, false)
	}
	err := m.s.bulk().SetMany(m.s.ctx, items)
	m.did("SetMany(%s)", text)
	m.check(err, "", "")
}

func (m *model) add() {
	name, value, keep := m.name(), m.value(), m.keep()
	added, err := m.s.adder().Add(m.s.ctx, m.s.key(name), []byte(value), keep)
	m.did("Add(%q, %q, %v)", name, value, keep)
	was := m.at(name).has
	if !was {
		m.store(name, value, keep, false)
	}
	if keep <= 0 && !was { // what it says then, and whether it takes claims away, is not asked
		added = true
		m.forget(name)
	}
	m.check(err, added, !was)
}

// forget forgets the claims of a name.
func (m *model) forget(name string) {
	m.at(name).generation, m.at(name).claims = 0, 0
	m.claims = slices.DeleteFunc(m.claims, func(c modelClaim) bool { return c.name == name })
}

func (m *model) delete() {
	name := m.name()
	existed, err := m.s.b.Delete(m.s.ctx, m.s.key(name))
	m.did("Delete(%q)", name)
	was := m.at(name).has
	delete(m.records, name)
	m.check(err, existed, was)
}

func (m *model) deleteMany() {
	names := m.different()
	existed, err := m.s.bulk().DeleteMany(m.s.ctx, m.s.keys(names...))
	m.did("DeleteMany(%q)", names)
	var was []bool
	for _, name := range names {
		was = append(was, m.at(name).has)
		delete(m.records, name)
	}
	m.check(err, existed, was)
}

func (m *model) touch() {
	names, keep := m.different(), m.keep()
	touched, err := m.s.toucher().Touch(m.s.ctx, keep, m.s.keys(names...)...)
	m.did("Touch(%v, %q)", keep, names)
	var was []bool
	for _, name := range names {
		r := m.at(name)
		was = append(was, r.has)
		switch {
		case r.has && keep <= 0:
			delete(m.records, name)
		case r.has:
			r.forever, r.end = keep == storage.Forever, m.now+keep
		case keep <= 0: // whether it takes claims away is not asked
			m.forget(name)
		}
	}
	m.check(err, touched, was)
}

func (m *model) prefix() string { return []string{"a:", "a:*", "b", "c", ""}[m.rng.IntN(5)] }

func (m *model) keys() {
	prefix := m.prefix()
	got := m.s.listed(m.t, m.s.key(prefix))
	m.did("Keys(%q)", prefix)
	var want []string
	for _, name := range slices.Sorted(maps.Keys(m.records)) {
		if strings.HasPrefix(name, prefix) && m.at(name).has {
			want = append(want, m.s.key(name))
		}
	}
	m.check(nil, got, want)
}

func (m *model) clear() {
	prefix := m.prefix()
	err := m.s.lister().Clear(m.s.ctx, m.s.key(prefix))
	m.did("Clear(%q)", prefix)
	maps.DeleteFunc(m.records, func(name string, _ *modelRecord) bool { return strings.HasPrefix(name, prefix) })
	m.check(err, "", "")
}

func (m *model) claim() {
	names, hold := m.different(), long // a key that comes twice may be claimed once
	if m.s.Exact {
		hold = m.unit() * time.Duration(1+m.rng.IntN(10))
	}
	claims, err := m.s.fenced().Claim(m.s.ctx, hold, m.s.keys(names...)...)
	m.did("Claim(%v, %q)", hold, names)
	var got, want []string
	for _, c := range claims {
		got = append(got, m.shown(c.Record))
	}
	for i, name := range names {
		want = append(want, m.expected(name))
		r := m.at(name)
		if r.generation == 0 {
			m.generation++
			r.generation = m.generation
		}
		r.claims++
		r.held = max(r.held, m.now+hold)
		if i < len(claims) {
			m.claims = append(m.claims, modelClaim{name, claims[i].Token, r.generation, m.now + hold, r.claims, r.filled, string(claims[i].Value), claims[i].Found})
		}
	}
	m.claims = m.claims[max(0, len(m.claims)-20):]
	m.check(err, got, want)
}

// fill fills claims of the last ones, good or not.
func (m *model) fill() {
	if len(m.claims) == 0 {
		return
	}
	var fills []storage.Filling
	var want []bool
	text := ""
	for range 1 + m.rng.IntN(3) {
		c, value, keep := m.claims[m.rng.IntN(len(m.claims))], m.value(), m.keep()
		if keep <= 0 {
			keep = long
		}
		touch, number := c.found != "" && m.rng.IntN(4) == 0, c.number // a touch is of what was found
		if touch {
			value, number = c.found, c.filled
		}
		fills = append(fills, storage.Filling{Item: storage.Item{Key: m.s.key(c.name), Value: []byte(value), Keep: keep}, Token: c.token, Touch: touch})
		text += fmt.Sprintf(" {%q, %q, %v, claim %d}", c.name, value, keep, number)
		r := m.at(c.name)
		good := m.now < c.until && r.generation == c.generation && number >= r.filled
		if want = append(want, good); good {
			m.store(c.name, value, keep, true)
			r.filled = number
		}
	}
	stored, err := m.s.fenced().Fill(m.s.ctx, fills...)
	m.did("Fill(%s)", text)
	m.check(err, stored, want)
}

// compareAndSwap swaps under one of the last claims, good or not.
func (m *model) compareAndSwap() {
	if len(m.claims) == 0 {
		return
	}
	c, value, keep := m.claims[m.rng.IntN(len(m.claims))], m.value(), m.keep()
	was := storage.Claimed{Record: storage.Record{Value: []byte(c.found), Found: c.has}, Token: c.token}
	swapped, err := m.s.swapper().CompareAndSwap(m.s.ctx, was, storage.Item{Key: m.s.key(c.name), Value: []byte(value), Keep: keep})
	m.did("CompareAndSwap(%q, %q, %v, claim %d, which has found %q, %v)", c.name, value, keep, c.number, c.found, c.has)
	r := m.at(c.name)
	good := m.now < c.until && r.generation == c.generation && r.has == c.has && (!c.has || r.value == c.found)
	if good {
		m.store(c.name, value, keep, false)
	}
	m.check(err, swapped, good)
}

// look looks at some names, and remembers their versions.
func (m *model) look() {
	names := m.some(3)
	found, err := m.s.versioned().Look(m.s.ctx, m.s.keys(names...)...)
	m.did("Look(%q)", names)
	var got, want []string
	for i, name := range names {
		want = append(want, m.expected(name))
		if i < len(found) {
			got = append(got, m.shown(found[i].Record))
			m.seen = append(m.seen, modelVersion{name, found[i].Version, m.changes[name], !m.at(name).has})
		}
	}
	m.seen = m.seen[max(0, len(m.seen)-20):]
	m.check(err, got, want)
}

// swap makes a change on one of the versions that were seen last, current or
// not, or sends again one of the last that were made.
func (m *model) swap() {
	if n := len(m.made); n > 0 && m.rng.IntN(4) == 0 {
		c := m.made[m.rng.IntN(n)]
		if m.changes[c.name]-c.change < 8 && m.now-c.at < storage.VersionsKept/2 {
			made, err := m.s.versioned().Swap(m.s.ctx, c.sent)
			m.did("Swap(%q, the one of %v again)", c.name, c.at)
			m.check(err, made, []bool{true})
			return
		}
	}
	if len(m.seen) == 0 {
		return
	}
	v, value, keep := m.seen[m.rng.IntN(len(m.seen))], m.value(), m.keep()
	c := change(m.s.key(v.name), v.version, value, keep)
	has := m.at(v.name).has
	good := has && !v.none && v.change == m.changes[v.name] || !has && v.none
	made, err := m.s.versioned().Swap(m.s.ctx, c)
	m.did("Swap(%q, %q, %v)", v.name, value, keep)
	if good {
		m.store(v.name, value, keep, false)
		if keep > 0 {
			m.seen = append(m.seen, modelVersion{v.name, c.Becomes, m.changes[v.name], false})
		}
		m.made = append(m.made, modelSwap{v.name, c, m.changes[v.name], m.now})
		m.made = m.made[max(0, len(m.made)-20):]
	}
	m.check(err, made, []bool{good})
}
