package synced_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

// TestSchedules has members append, take and count while the server comes and goes
// at random and loses answers. In the end every element that was appended was
// given to somebody or is in the list, never both; every count counts once; and
// nothing waits.
//
// PERENNIAL_SCHEDULES is how many schedules are run, PERENNIAL_SEED the one to run
// again.
func TestSchedules(t *testing.T) {
	schedules := 200
	if n, err := strconv.Atoi(os.Getenv("PERENNIAL_SCHEDULES")); err == nil {
		schedules = n
	}
	first := rand.Uint64()
	if seed, err := strconv.ParseUint(os.Getenv("PERENNIAL_SEED"), 10, 64); err == nil {
		schedules, first = 1, seed
	}
	for i := range schedules {
		seed := first + uint64(i)
		if ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { schedule(t, rand.New(rand.NewPCG(seed, 0))) })
		}); !ok {
			t.Fatalf("run it again with PERENNIAL_SEED=%d", seed)
		}
	}
}

func schedule(t *testing.T, random *rand.Rand) {
	const members, steps = 3, 60
	s := newServer(t)
	var all [members]player
	for i := range all {
		m := s.memberOf(t, prefix, resilient.InDoubt(storage.Forever), // nobody deletes the list or the dict
			resilient.Observe(func(e resilient.Event) {
				if e.Kind == resilient.Dropped {
					t.Errorf("member %d drops what it has accepted: %v", i, e.Err)
				}
			}))
		all[i] = player{m, list[int](t, m, "l"), dict[int](t, m, "d")}
	}
	away := false
	appended, taken, counted := 0, map[int]bool{}, 0
	for range steps {
		one := all[random.IntN(members)]
		switch n := random.IntN(20); {
		case n == 0 && !away:
			s.leave()
			away = true
		case n < 3 && away:
			s.comeBack()
			away = false
		case n == 3:
			s.loseAnswers(1 + random.IntN(3))
		case n < 6:
			time.Sleep(time.Duration(random.Int64N(int64(8 * time.Second))))
		case n < 12:
			appended++
			accepted(t, one.list.Append(t.Context(), appended))
		case n < 16:
			take := one.list.Pop
			if random.IntN(2) == 0 {
				take = func(ctx context.Context) (int, error) { return one.list.PopAt(ctx, 0) }
			}
			if element, err := take(t.Context()); !errors.Is(err, synced.ErrMissing) {
				accepted(t, err)
				taken[element] = true
			}
		default:
			counted++
			accepted(t, last(one.dict.Update(t.Context(), "k", func(n int) (int, error) { return n + 1, nil })))
		}
	}
	if away {
		s.comeBack()
	}
	s.loseAnswers(0)
	for _, one := range all {
		time.Sleep(longest)
		if stats := one.memory.Stats(); stats.Changes != 0 || stats.Dropped != 0 || stats.Conflicts != 0 || stats.State != resilient.StateClosed {
			t.Errorf("in the end: %+v", stats)
		}
	}
	left, err := all[0].list.All(t.Context())
	done(t, err)
	for element := 1; element <= appended; element++ {
		if is := slices.Contains(left, element); is == taken[element] {
			t.Errorf("the element %d was taken: %v, and is in the list: %v", element, taken[element], is)
		}
	}
	if n := len(left) + len(taken); n != appended {
		t.Errorf("%d were appended, %v were taken, %v are left", appended, slices.Sorted(maps.Keys(taken)), left)
	}
	if n, err := all[0].dict.PopOr(t.Context(), "k", 0); err != nil || n != counted {
		t.Errorf("it counts %d, %v; want %d", n, err, counted)
	}
}

// player is a member of a schedule.
type player struct {
	memory *synced.Memory
	list   *synced.List[int]
	dict   *synced.Dict[int]
}

func accepted(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, synced.ErrQueued) {
		t.Error(err)
	}
}
