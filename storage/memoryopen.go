package storage

import (
	"context"
	"sync"
)

func init() { Register(openMemory, "memory") }

// named are the stores that are open under a name, for all who name them.
var named struct {
	sync.Mutex
	byName map[string]*namedMemory
}

type namedMemory struct {
	*records
	capacity int // as it was given, 0 where it was not
	users    int
}

// openMemory opens memory:// and memory://name. It knows the parameter capacity,
// in bytes.
func openMemory(_ context.Context, u *URL) (Bytes, error) {
	capacity := u.Int("capacity", 0, 1)
	if u.User != "" || u.Password != "" {
		u.Fault("a store in memory asks for no user and password: leave them out")
	}
	if err := u.Check(); err != nil {
		return nil, err
	}
	name := u.Host + u.Path
	if name == "" {
		return NewMemory(MemoryCapacity(capacity)), nil
	}
	named.Lock()
	defer named.Unlock()
	n := named.byName[name]
	if n == nil {
		n = &namedMemory{NewMemory(MemoryCapacity(capacity)).records, capacity, 0}
		if named.byName == nil {
			named.byName = map[string]*namedMemory{}
		}
		named.byName[name] = n
	} else if capacity != 0 && capacity != n.capacity {
		u.Fault("parameter capacity=%d: %s is open with a capacity of %d: give that, or none", capacity, u, n.records.capacity)
		return nil, u.Check()
	}
	n.users++
	return &Memory{records: n.records, onEnd: func() { n.leave(name) }}, nil
}

// leave is called once by each who has opened the store. With the last it goes.
func (n *namedMemory) leave(name string) {
	named.Lock()
	defer named.Unlock()
	if n.users--; n.users == 0 {
		delete(named.byName, name)
		n.empty()
	}
}
