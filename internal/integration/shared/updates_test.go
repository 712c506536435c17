package shared

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// careless swaps without comparing.
type careless struct{ *redisstore.Entries }

func (c careless) CompareAndSwap(ctx context.Context, _ storage.Claimed, item storage.Item) (bool, error) {
	return true, c.Set(ctx, item.Key, item.Value, item.Keep)
}

// count updates a key so many times, on four goroutines that touch and read it besides.
func (m *member) count(ctx context.Context, key string, times int) (tries int, err error) {
	var all sync.WaitGroup
	var left, tried atomic.Int64
	var failed atomic.Pointer[error]
	left.Store(int64(times))
	fail := func(err error) {
		if err != nil {
			failed.Store(&err)
		}
	}
	for range 4 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				_, err := m.f.Update(ctx, key, func(old string, _ bool) (string, error) {
					tried.Add(1)
					n, _ := strconv.Atoi(old)
					return strconv.Itoa(n + 1), nil
				})
				fail(err)
				if left.Load()%10 == 0 {
					_, err := m.f.Touch(ctx, key)
					fail(err)
					_, err = m.f.Call(ctx, key)
					fail(err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return int(tried.Load()), nil
}

// TestUpdatesOfTwoProcesses has two processes update one counter a thousand times each, at
// the same time: nothing is lost. Over a store that swaps without comparing, changes are.
func TestUpdatesOfTwoProcesses(t *testing.T) {
	const each = 1000
	for _, store := range []string{"fenced", "careless"} {
		t.Run(store, func(t *testing.T) {
			s := of(servers.Redis(t))
			s.Store = store
			members := []does{processes(t, s), processes(t, s)}
			var all sync.WaitGroup
			reports := make([]report, len(members))
			for i, m := range members {
				all.Go(func() { reports[i] = m.do(order{Do: "count", Keys: []string{"hits"}, Value: strconv.Itoa(each)}) })
			}
			all.Wait()
			for _, r := range reports {
				if r.Err != "" {
					t.Fatal(r.Err)
				}
			}
			counted := told(t, members[0], "peek", "hits").Values[0]
			t.Logf("%s of %d are counted, after %d and %d tries", counted, 2*each, reports[0].Tries, reports[1].Tries)
			if lost := counted != strconv.Itoa(2*each); lost != (store == "careless") {
				t.Errorf("changes are lost: %v", lost)
			}
		})
	}
}
