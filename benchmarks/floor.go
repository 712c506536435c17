package benchmarks

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// floorEntry is the least that a cache with lifetimes keeps.
type floorEntry struct {
	value   atomic.Pointer[Value]
	expires time.Duration // since start
}

var start = time.Now()

// newFloor makes what a hit can hardly do without: a concurrent map, a value
// that can be replaced, and one reading of the clock.
func newFloor[K Key](s Settings, load Load[K]) Cache[K] {
	var m sync.Map
	return Cache[K]{
		Get: func(ctx context.Context, key K) *Value {
			if found, ok := m.Load(key); ok {
				if e := found.(*floorEntry); time.Since(start) < e.expires {
					return e.value.Load()
				}
			}
			v, err := load(ctx, key)
			if err != nil {
				return nil
			}
			e := &floorEntry{expires: time.Since(start) + s.ExpireAfter}
			e.value.Store(v)
			m.Store(key, e)
			return v
		},
		Settle: func() {},
		Len: func() int {
			n := 0
			m.Range(func(any, any) bool { n++; return true })
			return n
		},
		Close: func() {},
	}
}
