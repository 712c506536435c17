package memoize_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// batchedOver makes a function over a source of many keys that returns what it is told to,
// and an error while there is one.
func batchedOver(t *testing.T, s storage.Storage[string, int], source *scripted[string, int], opts ...config.Option) *memoize.Func[string, int] {
	t.Helper()
	f, err := memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]int, error) {
		v, err := source.load(ctx, keys[0])
		if err != nil {
			return nil, err
		}
		found := map[string]int{}
		for _, key := range keys {
			found[key] = v
		}
		return found, nil
	}, append(with(config.Storage(s), config.Logger(discardLog)), opts...)...)
	noError(t, err)
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

func callMany(t *testing.T, f *memoize.Func[string, int], want int, keys ...string) {
	t.Helper()
	values, err := f.CallMany(t.Context(), keys)
	if err != nil || !slices.Equal(values, slices.Repeat([]int{want}, len(keys))) {
		t.Errorf("%v, %v; want %d of each", values, err, want)
	}
	settled(t, f)
}

// What a batch has brought is stored in one trip, that of one key as ever, and the
// strategy is told of each.
func TestBatchesAreStoredTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := new(twice), &sizable{}
		strategy.room = 100
		f := batchedOver(t, s, returning[string](1), config.Evict[string](strategy), config.Weigh(func(key string, _ int) int { return 2 + len(key) }))
		callMany(t, f, 1, "a")
		s.hears(t, "get a", "offer a=1")
		callMany(t, f, 1, "b", "cc")
		s.hears(t, "get b", "get cc", "offer [b cc]", "offer b=1", "offer cc=1")
		strategy.hears(t, "weighed a 3", "weighed b 3", "weighed cc 4")
		strategy.SetCapacity(2)
		strategy.reset()
		callMany(t, f, 1, "d", "e")
		if told := strategy.all(); len(told) > 2 {
			sorted(told[2:]) // in what order is the strategy's matter
			if !slices.Equal(told, []string{"weighed d 3", "weighed e 3", "released a", "released b", "released cc"}) {
				t.Errorf("it was told %q", told)
			}
		}
		if n := f.Stats().Evicted; n != 3 {
			t.Errorf("%d were evicted", n)
		}
	})
}

// A batch that succeeds ends the delays of its keys.
func TestABatchEndsDelays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := batchedOver(t, new(twice), source)
		callMany(t, f, 1, "a", "b")
		source.fails(errOutage)
		for range 55 {
			time.Sleep(time.Minute)
			callMany(t, f, 1, "a", "b")
		}
		source.returns(2)
		if _, err := f.RefreshMany(t.Context(), []string{"a", "b"}); err != nil {
			t.Error(err)
		}
		settled(t, f)
		source.fails(errOutage)
		time.Sleep(time.Minute)
		before := source.count()
		callMany(t, f, 2, "a", "b")
		wantCalls(t, source, before+1)
		time.Sleep(1100 * time.Millisecond)
		callMany(t, f, 2, "a", "b")
		wantCalls(t, source, before+2)
	})
}

// Of a batch that is refused in part the rest is stored, and who has joined it before
// looks again for that part alone.
func TestABatchThatIsRefusedInPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := newFencing(), returning[string](1)
		f := batchedOver(t, s, source)
		open := source.holds()
		leader := begin(1, func() ([]int, error) { return f.CallMany(t.Context(), []string{"a", "b", "c"}) })
		joiner := begin(1, func() ([]int, error) { return f.CallMany(t.Context(), []string{"a", "b", "c"}) })
		s.another("b", 7, time.Minute)
		s.reset()
		open()
		for _, all := range [][]returned[[]int]{leader(), joiner()} {
			if r := all[0]; r.err != nil || !slices.Equal(r.value, []int{1, 7, 1}) {
				t.Errorf("%v, %v", r.value, r.err)
			}
		}
		settled(t, f)
		s.exactly(t, "fill a=1 b=1 c=1", 1)
		s.exactly(t, "get a", 0)
		s.exactly(t, "get c", 0)
		s.exactly(t, "get b", 2)
		if st := f.Stats(); st.Fenced != 1 || st.Loads != 1 {
			t.Errorf("%d fenced, %d loads", st.Fenced, st.Loads)
		}
	})
}

// Reasons and causes are words.
func TestReasonsAreWords(t *testing.T) {
	if got := memoize.Reason(0).String(); got != "unknown reason" {
		t.Errorf("%q", got)
	}
	for _, w := range []memoize.Why{0, 200} {
		if got := w.String(); !strings.HasPrefix(got, "unknown") {
			t.Errorf("%q", got)
		}
	}
}
