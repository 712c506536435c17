package eviction

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// costAwareModel keeps the main part in one slice and looks through all of it for
// the first of each price. What loads cost is noted by key.
type costAwareModel struct {
	clock
	window, main []int
	rows         map[int]uint8 // of what is in the main part
	used, counts map[int]int
	steps        map[int]uint8
	costs        costs // for the steps alone
	gone         history
	seed         maphash.Seed
	share        float64
	took         time.Duration // of the load that is told of
}

func (m *costAwareModel) price(key int) float64 {
	return math.Exp2(float64(m.steps[key])/8) / float64(m.weights[key])
}

// row is the power of two at or below the key's price.
func (m *costAwareModel) row(key int) uint8 {
	row := 35
	for p := m.price(key); p >= 2; p /= 2 {
		row++
	}
	for p := m.price(key); p < 1; p *= 2 {
		row--
	}
	return uint8(min(63, max(0, row)))
}
func (m *costAwareModel) enterMain(key int) {
	m.main, m.rows[key] = append(m.main, key), m.row(key)
}
func (m *costAwareModel) read(key int) {
	m.marks[key] = uint32(m.now)*4 + min(3, m.marks[key]%4+1)
}
func (m *costAwareModel) windowMax() int { return max(1, int(m.share*float64(m.capacity))) }
func (m *costAwareModel) mainWeight() int {
	return m.total() - m.sum(m.window)
}
func (m *costAwareModel) drop(key int) {
	m.window, m.main = without(m.window, key), without(m.main, key)
}
func (m *costAwareModel) clear() { m.window, m.main, m.gone, m.share = nil, nil, history{}, 0.01 }
func (m *costAwareModel) widen(by float64) {
	one := float64(m.total()) / float64(len(m.weights)) / float64(m.capacity)
	m.share = min(0.8, max(0, m.share+by*min(0.002, one)))
}
func (m *costAwareModel) renew(key int) {
	if slices.Contains(m.window, key) && m.weights[key] > m.windowMax() {
		m.window = slices.Insert(without(m.window, key), 0, key)
	}
	if m.took >= 0 {
		m.steps[key] = uint8((3*int(m.steps[key]) + int(m.costs.step(m.took)) + 2) / 4)
	}
	if slices.Contains(m.main, key) && m.rows[key] != m.row(key) {
		m.drop(key)
		m.enterMain(key)
	}
}
func (m *costAwareModel) wasRead(key int) bool {
	mark := m.take(key)
	if mark == 0 {
		return false
	}
	m.used[key], m.counts[key] = int(mark/4), min(15, m.counts[key]+int(mark%4))
	return true
}

// leastWorth compares the first of each row, the rows of low prices first.
func (m *costAwareModel) leastWorth() (worst int, ok bool) {
	first := map[uint8]int{}
	for _, key := range slices.Backward(m.main) {
		first[m.rows[key]] = key
	}
	least := math.Inf(1)
	for row := range uint8(64) {
		if key, some := first[row]; some {
			if worth := m.price(key) / float64(m.now-m.used[key]+1); worth < least {
				worst, least, ok = key, worth, true
			}
		}
	}
	return worst, ok
}
func (m *costAwareModel) victim() (int, bool) {
	for {
		key, ok := m.leastWorth()
		if !ok || !m.wasRead(key) {
			return key, ok
		}
		m.widen(-0.05 / 2 * float64(m.capacity) / float64(m.mainWeight()))
		m.main = append(without(m.main, key), key)
	}
}
func (m *costAwareModel) add(key int) {
	m.steps[key] = m.costs.step(m.took)
	m.pass(m.weights[key])
	m.used[key] = m.now
	away, count, known := m.gone.recall(maphash.Comparable(m.seed, key), uint32(m.now))
	m.counts[key] = min(15, int(count)+1)
	if known && m.cameBack(key, int(away)) {
		m.enterMain(key)
		return
	}
	if m.weights[key] > m.windowMax() {
		m.window = slices.Insert(m.window, 0, key)
	} else {
		m.window = append(m.window, key)
	}
	for m.sum(m.window) > m.windowMax() && m.mainWeight()+m.weights[m.window[0]] <= m.capacity-m.windowMax() {
		first := m.window[0]
		m.window = m.window[1:]
		if m.wasRead(first) {
			m.window = append(m.window, first)
		} else {
			m.enterMain(first)
		}
	}
}
func (m *costAwareModel) cameBack(key, away int) bool {
	if m.total() <= m.capacity {
		return true
	}
	if away > 3*(m.capacity/m.step()) {
		return false
	}
	victim, ok := m.victim()
	if !ok || float64(away)*m.price(victim) >= float64(m.now-m.used[victim])*m.price(key) {
		return false
	}
	if float64(away)*float64(m.step()) <= (m.share+0.05)*float64(m.capacity) {
		m.widen(1)
	}
	return true
}
func (m *costAwareModel) next() int {
	for m.sum(m.window) > m.windowMax() {
		key := m.window[0]
		if m.wasRead(key) && m.weights[key] <= m.windowMax() {
			m.window = append(m.window[1:], key)
			continue
		}
		victim, ok := m.victim()
		wins := ok && float64(m.counts[key])*m.price(key) > float64(m.counts[victim]+1)*m.price(victim)
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
func (m *costAwareModel) evict(key int) int {
	m.drop(key)
	m.gone.fit(3 * len(m.weights))
	if m.now-m.used[key] <= 2047 {
		m.gone.remember(maphash.Comparable(m.seed, key), uint32(m.used[key]), uint32(m.now), uint8(m.counts[key]))
	}
	return key
}

// loading tells a CostAware of loads where it would be told of weights.
type loading struct {
	*costAware[int]
	model *costAwareModel
	took  func(key int) time.Duration
}

func (l loading) MarkWeighed(key int, e, old *entry.Meta, weight int) {
	l.model.took = l.took(key)
	l.MarkLoaded(key, e, old, weight, l.model.took)
}

// playCosts plays a CostAware beside its model.
func playCosts(t *testing.T, capacity int, took func(key int) time.Duration) *played {
	s := CostAware[int](capacity).(*costAware[int])
	b := &book{capacity: max(0, capacity), weights: map[int]int{}, marks: map[int]uint32{}, ends: map[int]entry.Instant{}}
	m := &costAwareModel{
		clock: clock{book: b, ticks: windowedTicks}, seed: s.seed, share: 0.01, rows: map[int]uint8{},
		used: map[int]int{}, counts: map[int]int{}, steps: map[int]uint8{},
	}
	b.model = m
	p := &played{t: t, s: loading{s, m, took}, b: b, held: map[int]*entry.Meta{}}
	s.SetClock(func() entry.Instant { return p.now })
	return p
}

func TestCostAwareDoesWhatItsModelDoes(t *testing.T) {
	seed := rand.Uint64()
	for round := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, round))
		capacity := []int{1, 2, 3, 5, 9, 20, 50, 150, 400}[round%9]
		keys, heaviest, sigma := 1+random.IntN(3*capacity), []int{1, 1, 3, 12, 2 * capacity}[random.IntN(5)], float64(random.IntN(4))
		t.Logf("seed %d, round %d: capacity %d, %d keys, weights to %d, sigma %v", seed, round, capacity, keys, heaviest, sigma)
		p := playCosts(t, capacity, func(key int) time.Duration {
			if random.IntN(8) == 0 {
				return untold
			}
			return time.Duration(1e6 * math.Exp(sigma*random.NormFloat64()))
		})
		for range 1000 + 10*capacity {
			arg := uint16(random.Uint32())
			if random.IntN(2) == 0 { // some keys are popular
				arg %= 1 + arg%uint16(keys)
			}
			p.do(byte(random.Uint32()), arg, keys, heaviest)
		}
	}
}

func FuzzCostAwareDoesWhatItsModelDoes(f *testing.F) {
	f.Add(byte(9), byte(2), []byte("wawbwcwdxbwe"))
	f.Fuzz(func(t *testing.T, capacity, heaviest byte, does []byte) {
		at := 0
		p := playCosts(t, int(capacity), func(key int) time.Duration {
			at++
			return time.Duration(does[at%len(does)]) << (at % 40)
		})
		for j := 0; j+1 < min(len(does), 4000); j += 2 {
			p.do(does[j], uint16(does[j+1]), 200, 1+int(heaviest))
		}
	})
}

// One write does not wait until every entry has been looked at, even if every
// one was read.
func TestCostAwareLooksAreBounded(t *testing.T) {
	const capacity = 3 * mostLooks
	s := CostAware[int](capacity).(*costAware[int])
	held := map[int]*entry.Meta{}
	most := 0
	for key := range 2*capacity + 20 {
		held[key] = new(entry.Meta)
		s.MarkLoaded(key, held[key], nil, 1, time.Duration(1+key%7)*time.Millisecond)
		if victim, ok := s.NextToRelease(); ok {
			delete(held, victim)
		}
		most = max(most, s.looks)
		if key >= 2*capacity {
			for _, e := range held {
				s.Mark(e)
			}
		}
	}
	if most < mostLooks/2 || most > mostLooks {
		t.Errorf("it looks at %d entries for one victim, want at most %d, and about that many here", most, mostLooks)
	}
}

// Nothing is left of what is gone, and no row is thought to be held that is empty.
func TestCostAwareKeepsNothingOfWhatIsGone(t *testing.T) {
	s := CostAware[string](3).(*costAware[string])
	held := map[string]*entry.Meta{}
	for i, key := range []string{"a", "b", "c", "d", "e", "f", "d", "g", "d"} {
		e := new(entry.Meta)
		s.MarkLoaded(key, e, held[key], 1, time.Millisecond<<i)
		held[key] = e
		if victim, ok := s.NextToRelease(); ok {
			s.MarkReleased(victim, held[victim])
			delete(held, victim)
		}
	}
	for key, e := range held {
		s.MarkReleased(key, e)
	}
	for place := uint32(1); place <= s.keys.used; place++ {
		if c := s.keys.at(place); c.key != "" || c.note != (note{}) {
			t.Errorf("of %q there is still %+v", c.key, c.note)
		}
	}
	if s.keys.count != 0 || s.keys.weight != 0 || s.window != (row{}) || s.shelf != (shelf{}) {
		t.Errorf("%d keys of weight %d are left; the window is %v and the main part %v", s.keys.count, s.keys.weight, s.window, s.main)
	}
}

func TestCosts(t *testing.T) {
	var c costs
	near := func(place uint32, want time.Duration) {
		t.Helper()
		if got := c.of(place) * float64(leastTook); math.Abs(math.Log2(got/float64(want))) > 0.5/costSteps+1e-9 {
			t.Errorf("place %d costs %v, want %v", place, time.Duration(got), want)
		}
	}
	c.begin(1, untold) // before anything is known
	near(1, leastTook)
	c.begin(1, 8*time.Millisecond)
	near(1, 8*time.Millisecond)
	c.begin(2, untold)
	near(2, 8*time.Millisecond)
	for place, took := range map[uint32]time.Duration{3: 0, 4: time.Nanosecond, 5: -time.Hour, 6: leastTook} {
		if took == untold {
			continue
		}
		c.begin(place, took)
		near(place, leastTook)
	}
	c = costs{}
	c.begin(300, 8*time.Millisecond) // in the second chunk
	c.begin(7, math.MaxInt64)
	near(7, 8*time.Millisecond<<10)
	c = costs{}
	c.begin(8, 16*time.Millisecond)
	c.blend(8, time.Millisecond) // three quarters of four octaves above
	near(8, 8*time.Millisecond)
	c.blend(8, untold)
	near(8, 8*time.Millisecond)
	for range 30 {
		c.blend(8, 100*time.Millisecond)
	}
	if got := time.Duration(c.of(8) * float64(leastTook)); got < 75*time.Millisecond || got > 110*time.Millisecond {
		t.Errorf("after 30 loads of 100 ms the cost is %v", got)
	}
	c = costs{}
	c.begin(9, math.MaxInt64) // the first, so nothing is usual
	near(9, 10*time.Hour+56*time.Minute)
}

func TestRowOfPrice(t *testing.T) {
	for price, want := range map[float64]uint8{1: 35, 1.99: 35, 2: 36, 0.99: 34, 0.5: 34, 1 << 28: 63, 1e300: 63, 1e-300: 0} {
		if got := rowOfPrice(price); got != want {
			t.Errorf("the price %v is in row %d, want %d", price, got, want)
		}
	}
}
