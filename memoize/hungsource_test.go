package memoize_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// G1, G6: a source that does not obey its context is left to run; its key can
// be loaded once more, and then calls fail instead of piling up.
func TestHungSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Second)))
		for range 2 {
			for _, r := range together(3, func() (int, error) { return f.Call(t.Context(), "key") }) {
				loadError(t, r.err, memoize.TimedOut, memoize.ErrLoadTimeout)
			}
		}
		_, err := f.Call(t.Context(), "key")
		loadError(t, err, memoize.Failed, memoize.ErrRunaway)
		wantCalls(t, source, 2)
		synctest.Wait() // callers are released before the load is counted as late
		if s := f.Stats(); s.SupersededRunning != 2 || s.LoadsRunning != 0 || s.Late != 2 {
			t.Fatalf("%d superseded loads and %d others run, %d were late; want 2, 0 and 2", s.SupersededRunning, s.LoadsRunning, s.Late)
		}
		open()
		synctest.Wait()
		wants(t, 1)(f.Call(t.Context(), "key")) // a late result is stored
		wantCalls(t, source, 2)
	})
}

// G6: a late result is dropped where something newer is there.
func TestLateResultDoesNotReplaceANewerOne(t *testing.T) {
	for name, newer := range map[string]func(t *testing.T, f *memoize.Func[string, int], source *scripted[string, int]) int{
		"loaded": func(t *testing.T, f *memoize.Func[string, int], source *scripted[string, int]) int {
			source.returns(2)
			source.lets()
			wants(t, 2)(f.Call(t.Context(), "key"))
			return 2
		},
		"set": func(t *testing.T, f *memoize.Func[string, int], _ *scripted[string, int]) int {
			noError(t, f.Set(t.Context(), "key", 3))
			return 3
		},
		"invalidated": func(t *testing.T, f *memoize.Func[string, int], source *scripted[string, int]) int {
			noError(t, f.Invalidate(t.Context(), "key"))
			source.returns(4)
			source.lets()
			return 4
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				open := source.holds()
				f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Second)))
				_, err := f.Call(t.Context(), "key")
				loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
				want := newer(t, f, source)
				open()
				synctest.Wait()
				wants(t, want)(f.Call(t.Context(), "key"))
				if s := f.Stats(); s.Superseded+s.Fenced != 1 {
					t.Fatalf("%d and %d results are counted as superseded and fenced, want one", s.Superseded, s.Fenced)
				}
			})
		})
	}
}
