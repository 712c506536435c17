package eviction

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/perennial-go/perennial/entry"
)

// Each policy has a model here, which keeps its keys in slices and maps and looks
// through all of them. The strategy has to name what the model names, whatever is
// done to both. Histories are the strategies' own type, which has tests of its
// own.

// book is the model of bounded and marking.
type book struct {
	model
	capacity int
	weights  map[int]int
	marks    map[int]uint32
	ends     map[int]entry.Instant
	refused  []int
	seen     entry.Instant // the time when a key was asked for last
}

type model interface {
	read(key int)
	add(key int)
	renew(key int)
	drop(key int)
	next() int
	clear()
}

func (b *book) total() (total int) {
	for _, w := range b.weights {
		total += w
	}
	return total
}

func (b *book) written(key, weight int, end entry.Instant) {
	weight = max(1, weight)
	_, known := b.weights[key]
	b.refused = without(b.refused, key)
	switch {
	case weight > b.capacity:
		b.released(key)
		b.refused = append(b.refused, key)
	case known:
		b.weights[key], b.ends[key] = weight, end
		b.renew(key)
	default:
		b.weights[key], b.ends[key], b.marks[key] = weight, end, 0
		b.add(key)
	}
}

func (b *book) released(key int) {
	b.refused = without(b.refused, key)
	if _, known := b.weights[key]; known {
		b.drop(key)
		b.forget(key)
	}
}

func (b *book) forget(key int) {
	delete(b.weights, key)
	delete(b.marks, key)
	delete(b.ends, key)
}

func (b *book) named(now entry.Instant) (key int, ok bool) {
	if len(b.refused) > 0 {
		key, b.refused = b.refused[0], b.refused[1:]
		return key, true
	}
	if b.total() <= b.capacity {
		return 0, false
	}
	b.seen = now
	key = b.next()
	b.forget(key)
	return key, true
}

func (b *book) expired(key int) bool { return b.ends[key] <= b.seen }

// take is the key's mark, if it is worth anything, which it takes away.
func (b *book) take(key int) uint32 {
	if b.expired(key) {
		return 0
	}
	mark := b.marks[key]
	b.marks[key] = 0
	return mark
}

func (b *book) sum(keys []int) (total int) {
	for _, key := range keys {
		total += b.weights[key]
	}
	return total
}

func without(keys []int, key int) []int {
	return slices.DeleteFunc(slices.Clone(keys), func(k int) bool { return k == key })
}

// inOrder is the model of FirstInFirstOut and LeastRecentlyUpdated.
type inOrder struct {
	keys    []int
	renewed bool // the order is that of writes
}

func (m *inOrder) read(int)     {}
func (m *inOrder) add(key int)  { m.keys = append(m.keys, key) }
func (m *inOrder) drop(key int) { m.keys = without(m.keys, key) }
func (m *inOrder) clear()       { m.keys = nil }
func (m *inOrder) renew(key int) {
	if m.renewed {
		m.keys = append(without(m.keys, key), key)
	}
}
func (m *inOrder) next() int {
	key := m.keys[0]
	m.keys = m.keys[1:]
	return key
}

type sieveModel struct {
	*book
	keys []int
	hand int // the key that it points to, -1 for the first
}

func (m *sieveModel) read(key int) { m.marks[key] = 1 }
func (m *sieveModel) add(key int)  { m.keys = append(m.keys, key) }
func (m *sieveModel) renew(int)    {}
func (m *sieveModel) clear()       { m.keys, m.hand = nil, -1 }
func (m *sieveModel) after(key int) int {
	if i := slices.Index(m.keys, key); i+1 < len(m.keys) {
		return m.keys[i+1]
	}
	return -1
}
func (m *sieveModel) drop(key int) {
	if m.hand == key {
		m.hand = m.after(key)
	}
	m.keys = without(m.keys, key)
}
func (m *sieveModel) next() int {
	for {
		if m.hand == -1 || m.hand == m.keys[len(m.keys)-1] {
			m.hand = m.keys[0]
		}
		if m.take(m.hand) == 0 {
			break
		}
		m.hand = m.after(m.hand)
	}
	victim := m.hand
	m.drop(victim)
	if len(m.keys) > 0 && m.hand == m.keys[len(m.keys)-1] {
		m.hand = -1
	}
	return victim
}

// clock is the model of ticks.
type clock struct {
	*book
	ticks, now, written int
}

func (c *clock) step() int { return max(1, c.capacity/c.ticks) }
func (c *clock) pass(weight int) {
	c.written = min(c.written, c.step()-1) + min(weight, c.capacity)
	for c.written >= c.step() {
		c.written -= c.step()
		c.now++
	}
}

// ranked is the model of a calendar: the lowest goes first, among equals the one
// that came to be so first.
type ranked struct {
	low   int
	keys  []int // in the order in which they were ranked
	ranks map[int]int
}

func (r *ranked) rank(key, rank int) {
	r.low = max(r.low, rank-days+1)
	r.keys = append(without(r.keys, key), key)
	r.ranks[key] = max(r.low, rank)
}
func (r *ranked) lowest() int {
	lowest := r.keys[0]
	for _, key := range r.keys {
		if r.ranks[key] < r.ranks[lowest] {
			lowest = key
		}
	}
	r.low = max(r.low, r.ranks[lowest])
	return lowest
}
func (r *ranked) drop(key int) { r.keys = without(r.keys, key) }
func (r *ranked) clear()       { r.keys = nil }

type leastRecentlyUsedModel struct {
	clock
	ranked
}

func (m *leastRecentlyUsedModel) read(key int) { m.marks[key] = uint32(m.now) }
func (m *leastRecentlyUsedModel) add(key int) {
	m.pass(m.weights[key])
	m.rank(key, m.now)
}
func (m *leastRecentlyUsedModel) renew(key int) { m.rank(key, m.now) }
func (m *leastRecentlyUsedModel) drop(key int)  { m.ranked.drop(key) }
func (m *leastRecentlyUsedModel) clear()        { m.ranked.clear() }
func (m *leastRecentlyUsedModel) next() int {
	for {
		key := m.lowest()
		if read := int(m.marks[key]); read <= m.ranks[key] || m.expired(key) {
			m.drop(key)
			return key
		}
		m.rank(key, int(m.marks[key]))
	}
}

type leastFrequentlyUsedModel struct {
	*book
	ranked
	counts map[int]int
}

func (m *leastFrequentlyUsedModel) read(key int) { m.marks[key] = min(15, m.marks[key]+1) }
func (m *leastFrequentlyUsedModel) add(key int) {
	m.counts[key] = 1
	m.rank(key, m.low+1)
}
func (m *leastFrequentlyUsedModel) renew(int)    {}
func (m *leastFrequentlyUsedModel) drop(key int) { m.ranked.drop(key) }
func (m *leastFrequentlyUsedModel) clear()       { m.ranked.clear() }
func (m *leastFrequentlyUsedModel) next() int {
	for {
		key := m.lowest()
		reads := m.take(key)
		if reads == 0 {
			m.drop(key)
			return key
		}
		m.counts[key] = min(100, m.counts[key]+int(reads))
		m.rank(key, m.low+m.counts[key])
	}
}

type s3fifoModel struct {
	clock
	small, main []int
	gone        history
	seed        maphash.Seed
}

func (m *s3fifoModel) read(key int) { m.marks[key] = min(3, m.marks[key]+1) }
func (m *s3fifoModel) tenth() int   { return max(1, m.capacity/10) }
func (m *s3fifoModel) add(key int) {
	age, _, known := m.gone.recall(maphash.Comparable(m.seed, key), uint32(m.now))
	if known && int(age) <= (m.capacity-m.tenth())/m.step() {
		m.main = append(m.main, key)
	} else {
		m.small = append(m.small, key)
	}
}
func (m *s3fifoModel) renew(int)    {}
func (m *s3fifoModel) drop(key int) { m.small, m.main = without(m.small, key), without(m.main, key) }
func (m *s3fifoModel) clear()       { m.small, m.main, m.gone = nil, nil, history{} }
func (m *s3fifoModel) next() int {
	for m.sum(m.small) > m.tenth() || len(m.main) == 0 {
		key := m.small[0]
		m.small = m.small[1:]
		if m.marks[key] >= 2 && m.take(key) > 0 {
			m.main = append(m.main, key)
			continue
		}
		m.pass(m.weights[key])
		m.gone.fit(len(m.weights))
		m.gone.remember(maphash.Comparable(m.seed, key), uint32(m.now), uint32(m.now), 0)
		return key
	}
	for {
		key := m.main[0]
		m.main = m.main[1:]
		if m.marks[key] == 0 || m.expired(key) {
			return key
		}
		m.marks[key]--
		m.main = append(m.main, key)
	}
}

type twoQueueModel struct {
	clock
	come, main []int
	gone       history
	seed       maphash.Seed
}

func (m *twoQueueModel) read(key int) { m.marks[key] = 1 }
func (m *twoQueueModel) add(key int) {
	age, _, known := m.gone.recall(maphash.Comparable(m.seed, key), uint32(m.now))
	if known && int(age) <= m.capacity/2/m.step() {
		m.main = append(m.main, key)
	} else {
		m.come = append(m.come, key)
	}
}
func (m *twoQueueModel) renew(int)    {}
func (m *twoQueueModel) drop(key int) { m.come, m.main = without(m.come, key), without(m.main, key) }
func (m *twoQueueModel) clear()       { m.come, m.main, m.gone = nil, nil, history{} }
func (m *twoQueueModel) next() int {
	if m.sum(m.come) > max(1, m.capacity/4) || len(m.main) == 0 {
		key := m.come[0]
		m.come = m.come[1:]
		m.pass(m.weights[key])
		m.gone.fit(len(m.weights) / 2)
		m.gone.remember(maphash.Comparable(m.seed, key), uint32(m.now), uint32(m.now), 0)
		return key
	}
	for {
		key := m.main[0]
		m.main = m.main[1:]
		if m.take(key) == 0 {
			return key
		}
		m.main = append(m.main, key)
	}
}

type windowedModel struct {
	clock
	window, probation, protected []int
	used, counts                 map[int]int
	gone                         history
	seed                         maphash.Seed
	share                        float64
	tinyLFU                      bool
}

func (m *windowedModel) most() uint32 {
	if m.tinyLFU {
		return 3
	}
	return 1
}
func (m *windowedModel) read(key int) {
	m.marks[key] = uint32(m.now)*4 + min(m.most(), m.marks[key]%4+1)
}
func (m *windowedModel) windowMax() int { return max(1, int(m.share*float64(m.capacity))) }
func (m *windowedModel) protectedMax() int {
	if !m.tinyLFU {
		return 0
	}
	return int(0.8 * float64(m.capacity-m.windowMax()))
}
func (m *windowedModel) renew(key int) {
	if slices.Contains(m.window, key) && m.weights[key] > m.windowMax() {
		m.window = slices.Insert(without(m.window, key), 0, key)
	}
}
func (m *windowedModel) drop(key int) {
	m.window, m.probation, m.protected = without(m.window, key), without(m.probation, key), without(m.protected, key)
}
func (m *windowedModel) clear() {
	m.window, m.probation, m.protected, m.gone, m.share = nil, nil, nil, history{}, 0.01
}
func (m *windowedModel) widen(by float64) {
	one := float64(m.total()) / float64(len(m.weights)) / float64(m.capacity)
	m.share = min(0.8, max(0, m.share+by*min(0.002, one)))
}
func (m *windowedModel) wasRead(key int) bool {
	mark := m.take(key)
	if mark == 0 {
		return false
	}
	m.used[key] = int(mark / 4)
	m.counts[key] = min(15, m.counts[key]+int(mark%4))
	return true
}
func (m *windowedModel) victim() (key int, ok bool) {
	for {
		from := m.probation
		if len(from) == 0 {
			from = m.protected
		}
		if len(from) == 0 {
			return 0, false
		}
		key := from[0]
		if !m.wasRead(key) {
			return key, true
		}
		m.widen(-0.05 / 2 * float64(m.capacity) / float64(m.sum(from)))
		m.drop(key)
		m.protected = append(m.protected, key)
		m.demote()
	}
}
func (m *windowedModel) add(key int) {
	m.pass(m.weights[key])
	m.used[key] = m.now
	away, count, known := m.gone.recall(maphash.Comparable(m.seed, key), uint32(m.now))
	m.counts[key] = min(15, int(count)+1)
	if known && m.cameBack(int(away)) {
		m.enterMain(key)
		return
	}
	if m.weights[key] > m.windowMax() {
		m.window = slices.Insert(m.window, 0, key)
	} else {
		m.window = append(m.window, key)
	}
	m.settle()
}
func (m *windowedModel) cameBack(away int) bool {
	if m.total() <= m.capacity {
		return true
	}
	if away > 3*(m.capacity/m.step()) {
		return false
	}
	victim, ok := m.victim()
	if !ok || 2*(m.now-m.used[victim]) <= 3*away && !m.endsProtection(away) {
		return false
	}
	if float64(away)*float64(m.step()) <= (m.share+0.05)*float64(m.capacity) {
		m.widen(1)
	}
	return true
}

// endsProtection makes what is protected, and was idle for three times as long as a
// key was away, the next victim.
func (m *windowedModel) endsProtection(away int) bool {
	for len(m.protected) > 0 && m.wasRead(m.protected[0]) {
		m.protected = append(m.protected[1:], m.protected[0])
	}
	if len(m.protected) == 0 || m.now-m.used[m.protected[0]] <= 3*away {
		return false
	}
	m.probation = slices.Insert(m.probation, 0, m.protected[0])
	m.protected = m.protected[1:]
	return true
}
func (m *windowedModel) settle() {
	for m.sum(m.window) > m.windowMax() && m.sum(m.probation)+m.sum(m.protected)+m.weights[m.window[0]] <= m.capacity-m.windowMax() {
		key := m.window[0]
		m.window = m.window[1:]
		if m.wasRead(key) {
			m.window = append(m.window, key)
		} else {
			m.enterMain(key)
		}
	}
}
func (m *windowedModel) enterMain(key int) {
	if w := m.weights[key]; m.total() > m.capacity && w > m.windowMax() && w > m.sum(m.probation) {
		m.protected = append(m.protected, key)
		m.demote()
	} else {
		m.probation = append(m.probation, key)
	}
}
func (m *windowedModel) demote() {
	for m.sum(m.protected) > m.protectedMax() {
		key := m.protected[0]
		m.protected = m.protected[1:]
		if m.wasRead(key) {
			m.protected = append(m.protected, key)
		} else {
			m.probation = append(m.probation, key)
		}
	}
}
func (m *windowedModel) next() int {
	for m.sum(m.window) > m.windowMax() {
		key := m.window[0]
		if m.wasRead(key) && m.weights[key] <= m.windowMax() {
			m.window = append(m.window[1:], key)
			continue
		}
		victim, ok := m.victim()
		wins := ok && m.tinyLFU && m.counts[key] >= m.counts[victim]+2
		if m.expired(key) {
			wins = false
		}
		if ok && m.expired(victim) {
			wins = true
		}
		if !wins {
			return m.evict(key)
		}
		m.window = m.window[1:]
		m.enterMain(key)
		return m.evict(victim)
	}
	if victim, ok := m.victim(); ok {
		return m.evict(victim)
	}
	return m.evict(m.window[0])
}
func (m *windowedModel) evict(key int) int {
	m.drop(key)
	m.gone.fit(3 * len(m.weights))
	m.gone.remember(maphash.Comparable(m.seed, key), uint32(m.used[key]), uint32(m.now), uint8(m.counts[key]))
	return key
}

// pairs are the policies and their models.
var pairs = []struct {
	name     string
	strategy func(capacity int) Strategy[int]
	model    func(b *book, s Strategy[int]) model
}{
	{"FirstInFirstOut", FirstInFirstOut[int], func(*book, Strategy[int]) model { return &inOrder{} }},
	{"LeastRecentlyUpdated", LeastRecentlyUpdated[int], func(*book, Strategy[int]) model { return &inOrder{renewed: true} }},
	{"Sieve", Sieve[int], func(b *book, _ Strategy[int]) model { return &sieveModel{book: b, hand: -1} }},
	{"LeastRecentlyUsed", LeastRecentlyUsed[int], func(b *book, _ Strategy[int]) model {
		return &leastRecentlyUsedModel{clock{book: b, ticks: 64, now: 1}, ranked{ranks: map[int]int{}}}
	}},
	{"LeastFrequentlyUsed", LeastFrequentlyUsed[int], func(b *book, _ Strategy[int]) model {
		return &leastFrequentlyUsedModel{b, ranked{ranks: map[int]int{}}, map[int]int{}}
	}},
	{"S3FIFO", S3FIFO[int], func(b *book, s Strategy[int]) model {
		return &s3fifoModel{clock: clock{book: b, ticks: 256}, seed: s.(*s3fifo[int]).seed}
	}},
	{"TwoQueue", TwoQueue[int], func(b *book, s Strategy[int]) model {
		return &twoQueueModel{clock: clock{book: b, ticks: 256}, seed: s.(*twoQueue[int]).seed}
	}},
	{"LIRS", LIRS[int], func(b *book, s Strategy[int]) model {
		return &windowedModel{clock: clock{book: b, ticks: 256}, seed: s.(*lirs[int]).seed, share: 0.01, used: map[int]int{}, counts: map[int]int{}}
	}},
	{"TinyLFU", TinyLFU[int], func(b *book, s Strategy[int]) model {
		return &windowedModel{clock: clock{book: b, ticks: 256}, seed: s.(*tinyLFU[int]).seed, share: 0.01, used: map[int]int{}, counts: map[int]int{}, tinyLFU: true}
	}},
}

// played is a strategy and its model, to which the same is done.
type played struct {
	t    *testing.T
	s    Strategy[int]
	b    *book
	held map[int]*entry.Meta
	now  entry.Instant
}

func play(t *testing.T, i, capacity int) *played {
	p := &played{t: t, s: pairs[i].strategy(capacity), held: map[int]*entry.Meta{}}
	p.b = &book{capacity: max(0, capacity), weights: map[int]int{}, marks: map[int]uint32{}, ends: map[int]entry.Instant{}}
	p.b.model = pairs[i].model(p.b, p.s)
	p.s.(Clocked).SetClock(func() entry.Instant { return p.now })
	return p
}

func (p *played) read(key int) {
	e := p.held[key]
	if e == nil {
		return
	}
	if marker, ok := p.s.(Marker); ok {
		marker.Mark(e)
	}
	if _, known := p.b.weights[key]; known {
		p.b.read(key)
	}
}

func (p *played) write(key, weight int, life entry.Instant) {
	e := &entry.Restore(0, p.now, p.now+life, p.now+life).Meta
	e.Mark().Store(uint32(key)) // another strategy's
	if e.Mark().Load(); p.held[key] != nil {
		e.Mark().Store(0)
	}
	p.s.(Weigher[int]).MarkWeighed(key, e, p.held[key], weight)
	p.held[key] = e
	p.b.written(key, weight, p.now+life)
	p.settle()
}

// settle takes what both name.
func (p *played) settle() {
	p.t.Helper()
	key, ok := p.s.NextToRelease()
	for first := true; ; first = false {
		want, wanted := p.b.named(p.now)
		if ok != wanted || key != want {
			p.t.Fatalf("it names %d, %v, and the model %d, %v", key, ok, want, wanted)
		}
		if !ok {
			if first {
				return
			}
			break
		}
		p.s.MarkReleased(key, p.held[key])
		delete(p.held, key)
		victims := p.s.(Over[int]).Victims(1)
		if ok = len(victims) > 0; ok {
			key = victims[0]
		} else {
			key = 0
		}
	}
	if total := p.b.total(); total > p.b.capacity {
		p.t.Fatalf("%d are taken of %d", total, p.b.capacity)
	}
}

func (p *played) release(key int) {
	p.s.MarkReleased(key, p.held[key])
	delete(p.held, key)
	p.b.released(key)
}

func (p *played) resize(capacity int) {
	p.s.(Resizer).SetCapacity(capacity)
	p.b.capacity = max(0, capacity)
	p.settle()
}

func (p *played) reset() {
	p.s.(Resetter).Reset()
	p.b.clear()
	p.b.refused = nil
	clear(p.b.weights)
	clear(p.b.marks)
	clear(p.b.ends)
	clear(p.held)
}

// do does what an operation and its argument say.
func (p *played) do(op byte, arg uint16, keys, heaviest int) {
	key := int(arg) % keys
	switch {
	case op < 110:
		p.read(key)
	case op < 225:
		p.write(key, 1+int(op)*int(arg)%heaviest, entry.Instant(1+int(op)%50*7))
	case op < 245:
		p.release(key)
	case op < 249:
		p.now += entry.Instant(arg)
	case op < 252:
		p.resize(p.b.capacity + int(int8(arg))/16)
	case op == 252 && arg < 30:
		p.reset()
	}
}

func TestPoliciesDoWhatTheirModelsDo(t *testing.T) {
	seed := rand.Uint64()
	for i, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			for round := range uint64(40) {
				random := rand.New(rand.NewPCG(seed, round))
				capacity := []int{1, 2, 3, 5, 9, 20, 50, 150, 400}[round%9]
				keys, heaviest := 1+random.IntN(3*capacity), []int{1, 1, 3, 12, 2 * capacity}[random.IntN(5)]
				t.Logf("seed %d, round %d: capacity %d, %d keys, weights to %d", seed, round, capacity, keys, heaviest)
				p := play(t, i, capacity)
				for range 1000 + 10*capacity {
					arg := uint16(random.Uint32())
					if random.IntN(2) == 0 { // some keys are popular
						arg %= 1 + arg%uint16(keys)
					}
					p.do(byte(random.Uint32()), arg, keys, heaviest)
				}
			}
		})
	}
}

func FuzzPoliciesDoWhatTheirModelsDo(f *testing.F) {
	f.Add(byte(3), byte(9), byte(2), []byte("wawbwcwdxbwe"))
	f.Fuzz(func(t *testing.T, capacity, keys, heaviest byte, does []byte) {
		for i := range pairs {
			p := play(t, i, int(capacity))
			for j := 0; j+1 < min(len(does), 4000); j += 2 {
				p.do(does[j], uint16(does[j+1]), 1+int(keys), 1+int(heaviest))
			}
		}
	})
}
