package benchmarks

import (
	"context"
	"testing"
	"time"
)

// lives are settings under which nothing changes while a test runs.
var lives = Settings{Capacity: 1000, RefreshAfter: longRefresh, ExpireAfter: LongLife}

func TestEveryContenderReturnsTheRightValue(t *testing.T) {
	for _, c := range Contenders() {
		t.Run(c.Name, func(t *testing.T) {
			want := map[string]*Value{}
			byText := c.Strings(lives, func(_ context.Context, key string) (*Value, error) {
				want[key] = &Value{}
				return want[key], nil
			})
			defer byText.Close()
			byNumber := c.Ints(lives, func(_ context.Context, key int) (*Value, error) {
				return &Value{ID: uint64(key)}, nil
			})
			defer byNumber.Close()
			for range 3 {
				for i := range 100 {
					got := byText.Get(t.Context(), keyOf(uint64(i)))
					if got == nil || got != want[keyOf(uint64(i))] {
						t.Fatalf("key %d: got %p, want %p", i, got, want[keyOf(uint64(i))])
					}
					if got := byNumber.Get(t.Context(), i); got == nil || got.ID != uint64(i) {
						t.Fatalf("key %d: got %v", i, got)
					}
				}
				byText.Settle()
				byNumber.Settle()
			}
		})
	}
}

func TestThoseThatWriteDo(t *testing.T) {
	for _, c := range Contenders() {
		if !c.Writes {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			var source counted
			settings := lives
			settings.LifeOf = func(v *Value) time.Duration { return time.Duration(v.ID) }
			cache := c.Strings(settings, source.string)
			defer cache.Close()
			long, gone := &Value{ID: uint64(LongLife)}, &Value{ID: 1}
			cache.Set("long", long)
			cache.Set("gone", gone)
			for cache.Get(t.Context(), "gone") == gone {
				time.Sleep(coarseResolution) // the contenders' clocks are real ones
			}
			if got := cache.Get(t.Context(), "long"); got != long {
				t.Errorf("got %p, want %p, which was set", got, long)
			}
			if got := source.loads.Load(); got != 1 {
				t.Errorf("%d loads, want 1: of the value that has expired", got)
			}
		})
	}
}

func TestStampedeLoadsOnce(t *testing.T) {
	for _, c := range Contenders() {
		if !c.OneLoad {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if got := Stampede(c, 1000, 10*time.Millisecond).Loads; got != 1 {
				t.Errorf("%d loads, want 1", got)
			}
		})
	}
}

func TestScenariosDoWhatTheySay(t *testing.T) {
	if testing.Short() {
		t.Skip("fills caches")
	}
	const n = 2000
	for _, s := range Scenarios() {
		for _, c := range Contenders() {
			if !s.Takes(c) {
				continue
			}
			t.Run(s.Name+"/"+c.Name, func(t *testing.T) {
				in := s.New(c, seed)
				defer in.Close()
				for _, procs := range []int{1, 2} {
					in.Before(n)
					before := in.Loads()
					in.Run(n, procs)
					got := in.Loads() - before
					switch {
					case !s.Loads || s.Name == "stale":
						if got != 0 {
							t.Errorf("%d loads, want 0", got)
						}
					case got != n:
						t.Errorf("%d loads, want %d", got, n)
					}
				}
			})
		}
	}
}

func TestKeysHaveOneLength(t *testing.T) {
	for i, key := range freshKeys(1<<40, 10) {
		if len(key) != keyLength || key != keyOf(1<<40+uint64(i)) {
			t.Errorf("key %d is %q, want %q", i, key, keyOf(1<<40+uint64(i)))
		}
	}
}
