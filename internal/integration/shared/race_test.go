package shared

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/perennial-go/perennial/internal/servers"
)

// A round is a race about one key: every member reads it, and one changes its
// version and invalidates it, at random times that overlap. The loads take up to
// 3 ms. What one of the members loads is stale at once, so that refreshes run too;
// what the others load is fresh for longer than the round takes.
//
// The least version that a read may return stands on the server: it is raised
// once an invalidation has returned, and looked up before a read begins.
const (
	readers = 4 // of a key, in every member
	atOnce  = 8
	loadsIn = 3 * time.Millisecond

	// Everything begins within as long as the last round took beyond that, or a
	// busy machine would be done with the changes before the first load.
	shortest, longest = 6 * time.Millisecond, 50 * time.Millisecond

	floors = "floors" // a sorted set: the least version of each key
)

// race runs this member's part of a round for each key.
func (m *member) race(ctx context.Context, keys []string, r *report) error {
	began, spread := time.Now(), min(max(shortest, m.tail), longest)
	defer func() { m.tail = time.Since(began) - spread }()
	var g errgroup.Group
	var mu sync.Mutex
	for _, key := range keys {
		for range readers {
			g.Go(func() error {
				m.rest(spread)
				least, err := m.redis.ZScore(ctx, floors, key).Result()
				if err != nil {
					return err
				}
				version, how, err := m.read(ctx, key)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				r.Reads++
				if version < int(least) {
					if r.Stale++; r.First == "" {
						r.First = fmt.Sprintf("%s of %s returned version %d after the invalidation of version %d had returned", how, key, version, int(least))
					}
				}
				return nil
			})
		}
		g.Go(func() error {
			m.rest(spread)
			version, err := m.redis.Incr(ctx, versionKey(key)).Result()
			if err != nil {
				return err
			}
			if m.chance() < 1.0/64 {
				err = m.f.InvalidateAll(ctx)
			} else {
				err = m.f.Invalidate(ctx, key)
			}
			if err != nil {
				return err
			}
			return m.redis.ZAddGT(ctx, floors, redis.Z{Score: float64(version), Member: key}).Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return m.f.Wait(ctx) // for refreshes
}

// read reads a key in one of the ways that there are.
func (m *member) read(ctx context.Context, key string) (version int, how string, err error) {
	var v string
	switch c := m.chance(); {
	case c < .1:
		how = "Refresh"
		v, err = m.f.Refresh(ctx, key)
	case c < .2:
		how = "CallMany"
		var vs []string
		vs, err = m.f.CallMany(ctx, []string{key, key})
		v = vs[0]
	default:
		how = "Call"
		v, err = m.f.Call(ctx, key)
	}
	if err != nil {
		return 0, how, err
	}
	version, err = strconv.Atoi(v)
	return version, how, err
}

// tally is what came of many rounds.
type tally struct {
	rounds, reads, held int
	stale               int    // reads that returned what was invalidated
	left                int    // rounds after which the store holds what was invalidated
	fenced              uint64 // fills that were refused
	first               string
}

func (t tally) String() string {
	return fmt.Sprintf("%d rounds, %d reads: %d stale; after %d of the rounds there is a value: %d stale; %d fills refused",
		t.rounds, t.reads, t.stale, t.held, t.left, t.fenced)
}

func (t tally) wrong() int { return t.stale + t.left }

// run runs rounds among members, until enough or until something is stale.
func run(t *testing.T, start func(testing.TB, setup) does, s setup, members, rounds int) (sum tally) {
	t.Helper()
	ctx := context.Background()
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer func() { noError(t, rdb.Close()) }()
	all := make([]does, members)
	for i := range all {
		s.Seed++
		if s.Fresh = 0; i == 0 {
			s.Fresh = time.Nanosecond
		}
		all[i] = start(t, s)
	}
	observer := goroutines(t, s)
	for sum.rounds < rounds && sum.wrong() == 0 {
		noError(t, rdb.FlushAll(ctx).Err())
		keys := make([]string, min(atOnce, rounds-sum.rounds))
		_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range keys {
				keys[i] = strconv.Itoa(sum.rounds + i)
				p.Set(ctx, versionKey(keys[i]), 1, 0)
				p.ZAdd(ctx, floors, redis.Z{Score: 1, Member: keys[i]})
			}
			return nil
		})
		noError(t, err)
		reports := make([]report, members)
		var wg sync.WaitGroup
		for i, d := range all {
			wg.Go(func() { reports[i] = d.do(order{Do: "race", Keys: keys}) })
		}
		wg.Wait()
		refused := uint64(0)
		for _, r := range reports {
			if r.Err != "" {
				t.Fatal(r.Err)
			}
			sum.reads, sum.stale, refused = sum.reads+r.Reads, sum.stale+r.Stale, refused+r.Fenced
			if sum.first == "" {
				sum.first = r.First
			}
		}
		sum.fenced = refused // each counts from its beginning
		sum.rounds += len(keys)
		for i, held := range told(t, observer, "peek", keys...).Values {
			current, err := rdb.Get(ctx, versionKey(keys[i])).Result()
			noError(t, err)
			if held != "" {
				sum.held++
			}
			if held != "" && held != current {
				sum.left++
				if sum.first == "" {
					sum.first = fmt.Sprintf("the store holds version %s of %s, which is at %s", held, keys[i], current)
				}
			}
		}
	}
	return sum
}

// times is how often something is tried that goes wrong by chance: a few times,
// or PERENNIAL_ROUNDS, for a long run:
//
//	PERENNIAL_ROUNDS=1000000 go test -run TestG4 -timeout 24h ./internal/integration/shared
func times(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("PERENNIAL_ROUNDS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	noError(t, err)
	return n
}

// TestG4AcrossProcesses races processes, and members within one, for a key. What
// was invalidated is never read again, and never left in the store; and the two
// ways to use the same server without a fence are caught, mostly within as many
// rounds, and within twenty times as many on any machine.
func TestG4AcrossProcesses(t *testing.T) {
	rounds := times(t, 400)
	server := servers.Redis(t)
	for _, way := range []struct {
		name  string
		start func(testing.TB, setup) does
	}{{"processes", processes}, {"goroutines", goroutines}} {
		for _, store := range []string{"fenced", "unfenced", "locked"} {
			t.Run(way.name+"/"+store, func(t *testing.T) {
				s := of(server)
				s.Store, s.Pause, s.Seed = store, loadsIn, rand.Uint64()
				t.Logf("seeds from %d", s.Seed)
				sum := run(t, way.start, s, 3, rounds)
				for more := 0; store != "fenced" && sum.wrong() == 0 && more < 20; more++ {
					s.Seed = rand.Uint64() // a busy machine may need more of them
					t.Logf("seeds from %d", s.Seed)
					sum = run(t, way.start, s, 3, rounds)
				}
				t.Logf("%v %s", sum, sum.first)
				switch {
				case store == "fenced" && sum.wrong() > 0:
					t.Errorf("%d stale values", sum.wrong())
				case store == "fenced" && (sum.fenced == 0 || sum.held == 0):
					t.Error("nothing was kept out, or nothing stored: there was no race")
				case store != "fenced" && sum.wrong() == 0:
					t.Error("the rounds don't catch a store without a fence")
				}
			})
		}
	}
}
