package state

import (
	"context"
	"crypto/rand"
	"sync/atomic"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// broken is a store that gets one thing wrong. The checks must notice: a check
// that can't fail proves nothing.
type broken struct {
	*redisstore.Values
	how string
	n   *atomic.Int64
}

func (b broken) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	for i, c := range changes {
		switch b.how {
		case "changes are not compared":
			found, err := b.Look(ctx, c.Key)
			if err != nil {
				return nil, err
			}
			changes[i].Was = found[0].Version
		case "changes are not known again":
			changes[i].Becomes = rand.Text()
		case "changes are acknowledged and lost":
			if b.n.Add(1)%7 == 0 {
				return []bool{true}, nil
			}
		}
	}
	return b.Values.Swap(ctx, changes...)
}

// store is what a member keeps its state in.
func (m *member) store() storage.Bytes {
	v := redisstore.NewValues(m.rdb)
	if m.Broken == "" {
		return v
	}
	return broken{v, m.Broken, new(atomic.Int64)}
}
