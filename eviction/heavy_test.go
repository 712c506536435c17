package eviction

import (
	"maps"
	"testing"

	"github.com/perennial-go/perennial/entry"
)

// heavyCache is what a strategy holds that goes by weights.
type heavyCache struct {
	s    Strategy[int]
	held map[int]*entry.Meta
}

// ask tells whether the key is held, and takes it in if it is not.
func (c *heavyCache) ask(key, weight int) (hit bool) {
	if e := c.held[key]; e != nil {
		c.s.(Marker).Mark(e)
		return true
	}
	c.write(key, weight)
	return false
}

func (c *heavyCache) write(key, weight int) {
	e := new(entry.Meta)
	old := c.held[key]
	c.held[key] = e
	c.s.(Weigher[int]).MarkWeighed(key, e, old, weight)
	for {
		victim, ok := c.s.NextToRelease()
		if !ok {
			return
		}
		c.s.MarkReleased(victim, c.held[victim])
		delete(c.held, victim)
	}
}

var windowedStrategies = map[string]func(capacity int) Strategy[int]{
	"TinyLFU": TinyLFU[int], "LIRS": LIRS[int], "Adaptive": Adaptive[int], "CostAware": CostAware[int],
}

// full is a cache of 1,000 that is full of keys of weight 1, half of which are read.
func full(s Strategy[int]) *heavyCache {
	c := &heavyCache{s, map[int]*entry.Meta{}}
	for key := range 3000 {
		c.ask(key, 1)
		c.ask(key/2, 1)
	}
	return c
}

func TestHeavyEntryPushesNothingOutOfTheWindow(t *testing.T) {
	for name, of := range windowedStrategies {
		t.Run(name, func(t *testing.T) {
			c := full(of(1000))
			before := maps.Clone(c.held)
			c.ask(-1, 300)
			if c.held[-1] == nil && !maps.Equal(c.held, before) {
				t.Errorf("it is not kept, and %d others went for it", len(before)-len(c.held))
			}
			if c.held[-1] != nil {
				t.Errorf("it is kept although it is new and the cache is full")
			}
		})
	}
}

func TestHeavyEntryIsKeptOnceItIsAskedForAgain(t *testing.T) {
	for name, of := range windowedStrategies {
		if name == "CostAware" {
			continue // a load of the same cost is worth less for each unit of a greater weight
		}
		for _, between := range []int{0, 20, 200} { // other keys come in from one time to the next
			c, loads, fresh := full(of(1000)), 0, 10_000
			for range 20 {
				if !c.ask(-1, 300) {
					loads++
				}
				for range between {
					c.ask(fresh, 1)
					fresh++
				}
			}
			if most := 4; loads > most {
				t.Errorf("%s, %d keys between: loaded %d times of 20, want %d at most", name, between, loads, most)
			}
		}
	}
}

func TestHeavyEntryIsKeptWhereThereIsRoom(t *testing.T) {
	for name, of := range windowedStrategies {
		c := &heavyCache{of(1000), map[int]*entry.Meta{}}
		c.ask(1, 300)
		c.ask(2, 300)
		if c.held[1] == nil || c.held[2] == nil {
			t.Errorf("%s releases what it has room for: it holds %d of 2", name, len(c.held))
		}
	}
}

func TestEntryThatBecomesHeavyIsJudgedAlone(t *testing.T) {
	for name, of := range windowedStrategies {
		c := full(of(1000))
		c.ask(6000, 1)
		before := maps.Clone(c.held)
		c.write(6000, 400)
		if c.held[6000] != nil {
			continue // it is kept, and others had to go
		}
		delete(before, 6000)
		if !maps.Equal(c.held, before) {
			t.Errorf("%s: %d others went for one that has become heavy, and it went too", name, len(before)-len(c.held))
		}
	}
}
