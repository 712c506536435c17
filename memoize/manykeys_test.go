package memoize_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// keysTogether makes a function whose source takes many keys, and a journal of what that was
// asked for.
func keysTogether(t *testing.T, opts ...config.Option) (*memoize.Func[string, int], *whenAsked, *journal) {
	t.Helper()
	asked, source := new(journal), new(whenAsked)
	f := memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]int, error) {
		asked.add("%v", strings.Join(keys, ""))
		return source.load(ctx, keys)
	}, with(append(opts, config.Logger(discardLog))...)...))
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f, source, asked
}

// A source is asked for no more keys at once than MaxBatch says, in the foreground and
// in the background, and each batch of refreshes takes one place of MaxBackground.
func TestBatchesKeepToTheirSize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, source, asked := keysTogether(t, config.MaxBatch(2), config.MaxBackground(2))
		keys := []string{"a", "b", "c", "d", "e", "a"}
		call := func(want string) {
			t.Helper()
			values, err := f.CallMany(t.Context(), keys)
			if err != nil || !slices.Equal(values, []int{1, 1, 1, 1, 1, 1}) {
				t.Errorf("CallMany: %v, %v", values, err)
			}
			synctest.Wait()
			if got := strings.Join(sorted(asked.all()), " "); got != want {
				t.Errorf("the source was asked for %q, want %q", got, want)
			}
			asked.reset()
		}
		call("ab cd e")
		call("")
		if st := f.Stats(); st.Calls != 10 || st.Loaded != 5 || st.Fresh != 5 || st.Loads != 3 {
			t.Errorf("%+v", st)
		}
		settled(t, f)
		time.Sleep(time.Minute)
		open := make(chan struct{})
		source.does = func(_ context.Context, keys []string) (map[string]int, error) {
			<-open
			return map[string]int{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, nil
		}
		call("ab cd")
		if st := f.Stats(); st.Stale != 5 || st.Shed != 1 || st.RefreshesRunning != 2 {
			t.Errorf("%+v", st)
		}
		close(open)
		settled(t, f)
		source.does = nil
		call("e")
		settled(t, f)
	})
}

// Stale keys that somebody loads already are not refreshed as well, and take no place.
func TestRefreshesOfManyThatRunAlready(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, source, asked := keysTogether(t, config.MaxBackground(1))
		if _, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil {
			t.Fatal(err)
		}
		settled(t, f)
		time.Sleep(time.Minute)
		asked.reset()
		open := make(chan struct{})
		source.does = func(_ context.Context, keys []string) (map[string]int, error) {
			<-open
			return map[string]int{"a": 2, "b": 2, "c": 2}, nil
		}
		forced := begin(1, func() ([]int, error) { return f.RefreshMany(t.Context(), []string{"a", "b"}) })
		for range 2 {
			if values, err := f.CallMany(t.Context(), []string{"a", "b"}); err != nil || !slices.Equal(values, []int{1, 1}) {
				t.Errorf("CallMany: %v, %v", values, err)
			}
		}
		if values, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil || !slices.Equal(values, []int{1, 1, 1}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		synctest.Wait()
		asked.hears(t, "ab", "c")
		if st := f.Stats(); st.Shed != 0 || st.RefreshesRunning != 1 || st.LoadsRunning != 2 {
			t.Errorf("%+v", st)
		}
		close(open)
		if got := forced()[0]; got.err != nil || !slices.Equal(got.value, []int{2, 2}) {
			t.Errorf("RefreshMany: %v", got)
		}
		settled(t, f)
	})
}

// Of many keys those are joined that somebody loads, and those are loaded that nobody
// does. A caller who leaves has values of what was there.
func TestManyKeysOfWhichSomeAreLoaded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, source, asked := keysTogether(t)
		noError(t, f.Set(t.Context(), "z", 7))
		open := make(chan struct{})
		source.does = func(_ context.Context, keys []string) (map[string]int, error) {
			<-open
			return map[string]int{"a": 1, "b": 1, "c": 1}, nil
		}
		first := begin(1, func() ([]int, error) { return f.CallMany(t.Context(), []string{"a", "b"}) })
		second := begin(1, func() ([]int, error) { return f.CallMany(t.Context(), []string{"b", "c", "z"}) })
		asked.hears(t, "ab", "c")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		values, err := f.CallMany(ctx, []string{"a", "z", "c"})
		var many *memoize.ManyError
		if !slices.Equal(values, []int{0, 7, 0}) || !errors.As(err, &many) || many.At(1) != nil || !errors.Is(many.At(0), context.DeadlineExceeded) || !errors.Is(many.At(2), context.DeadlineExceeded) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		values, err = f.CallMany(ctx, []string{"d", "z"})
		if !slices.Equal(values, []int{0, 7}) || !errors.As(err, &many) || !errors.Is(many.At(0), context.DeadlineExceeded) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		asked.hears(t)
		close(open)
		for i, want := range [][]int{{1, 1}, {1, 1, 7}} {
			if got := []func() []returned[[]int]{first, second}[i]()[0]; got.err != nil || !slices.Equal(got.value, want) {
				t.Errorf("CallMany: %v", got)
			}
		}
		if st := f.Stats(); st.Loaded != 3 || st.Joined != 1 || st.Left != 3 || st.Fresh != 3 || st.Failed != 0 || st.Loads != 2 {
			t.Errorf("%+v", st)
		}
		settled(t, f)
	})
}
