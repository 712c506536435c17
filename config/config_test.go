package config_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/storage"
)

// made is the configuration of a function of string and int.
func made(opts ...config.Option) *config.Fixed[string, string, int] {
	return config.InMemory[string, int](opts...)
}

// says checks that an error says all that it should.
func says(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

// lives is the life that a configuration gives.
func lives(t *testing.T, s *config.Settings[string, string, int]) entry.Life {
	t.Helper()
	e := s.Builder.Build("key", 1, 0)
	return entry.Life{UpdateAfter: e.UpdateAfter().Sub(0), ExpireAfter: e.ExpiresAfter().Sub(0)}
}

// The defaults are the seed's, but for the strategy.
func TestDefaults(t *testing.T) {
	c := made()
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	s := c.Snapshot()
	want := "Settings[configured=true, method_timeout=2m0s, entry_builder=LifeSpan[update after 10m0s, expire after 30m0s], " +
		"key_extractor=Identity, storage=InMemory[0 entries], eviction_strategy=TinyLFU[capacity 4096], " +
		"postprocessing=NoPostprocessing, bypass=false]"
	if got := s.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	limits := config.Limits{MaxLoads: 1024, MaxBackground: 64, MaxRunaway: 64, MaxBatch: 1000, StoreRead: 100 * time.Millisecond, StoreWrite: 250 * time.Millisecond}
	if got := s.Limits.WithDefaults(); got != limits {
		t.Errorf("limits are %+v, want %+v", got, limits)
	}
	if again := made().Snapshot(); again.Storage == s.Storage || again.Eviction == s.Eviction {
		t.Error("two configurations share a storage or a strategy")
	}
}

// A life of which one end is given.
func TestLifetimesSetAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []config.Option
		want entry.Life
	}{
		{"neither", nil, entry.Life{UpdateAfter: 10 * time.Minute, ExpireAfter: 30 * time.Minute}},
		{"expire-after 1h", []config.Option{config.ExpireAfter(time.Hour)}, entry.Life{UpdateAfter: 20 * time.Minute, ExpireAfter: time.Hour}},
		{"expire-after 3s", []config.Option{config.ExpireAfter(3 * time.Second)}, entry.Life{UpdateAfter: time.Second, ExpireAfter: 3 * time.Second}},
		{"expire-after 0", []config.Option{config.ExpireAfter(0)}, entry.Life{}},
		{"update-after 1m", []config.Option{config.UpdateAfter(time.Minute)}, entry.Life{UpdateAfter: time.Minute, ExpireAfter: 30 * time.Minute}},
		{"update-after 10m", []config.Option{config.UpdateAfter(10 * time.Minute)}, entry.Life{UpdateAfter: 10 * time.Minute, ExpireAfter: 30 * time.Minute}},
		{"update-after 1h", []config.Option{config.UpdateAfter(time.Hour)}, entry.Life{UpdateAfter: time.Hour, ExpireAfter: 3 * time.Hour}},
		{"update-after 0", []config.Option{config.UpdateAfter(0)}, entry.Life{ExpireAfter: 30 * time.Minute}},
		{"update-after for ever", []config.Option{config.UpdateAfter(math.MaxInt64)}, entry.Life{UpdateAfter: math.MaxInt64, ExpireAfter: math.MaxInt64}},
		{"both", []config.Option{config.UpdateAfter(time.Second), config.ExpireAfter(time.Minute)}, entry.Life{UpdateAfter: time.Second, ExpireAfter: time.Minute}},
		{"both equal", []config.Option{config.UpdateAfter(time.Minute), config.ExpireAfter(time.Minute)}, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Minute}},
		{"the last of two holds", []config.Option{config.ExpireAfter(time.Minute), config.ExpireAfter(time.Hour)}, entry.Life{UpdateAfter: 20 * time.Minute, ExpireAfter: time.Hour}},
		{"jitter 0", []config.Option{config.Jitter(0)}, entry.Life{UpdateAfter: 10 * time.Minute, ExpireAfter: 30 * time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := made(c.opts...)
			if conf.Err() != nil {
				t.Fatal(conf.Err())
			}
			if got := lives(t, conf.Snapshot()); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestJitterShortens(t *testing.T) {
	s := made(config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour), config.Jitter(0.5)).Snapshot()
	got := lives(t, s)
	if got.UpdateAfter > time.Hour || got.UpdateAfter < 30*time.Minute || got.ExpireAfter > 2*time.Hour || got.ExpireAfter < time.Hour {
		t.Errorf("got %v, want each life shorter by up to a half", got)
	}
}

// Each mistake is an error that says what is wrong and why.
func TestMistakes(t *testing.T) {
	lru := config.Evict(eviction.LeastRecentlyUpdated[string](1))
	own := config.Builder[string, int](new(entry.LifeSpan[string, int]))
	for _, c := range []struct {
		name  string
		opts  []config.Option
		wants []string
	}{
		{"negative update-after", []config.Option{config.UpdateAfter(-time.Second)}, []string{"update-after is -1s", "zero or more"}},
		{"negative expire-after", []config.Option{config.ExpireAfter(-time.Second), config.UpdateAfter(0)}, []string{"expire-after is -1s", "zero or more"}},
		{"update above expire", []config.Option{config.UpdateAfter(2 * time.Minute), config.ExpireAfter(time.Minute)}, []string{"update-after 2m0s is above expire-after 1m0s", "give at most 1m0s"}},
		{"method timeout 0", []config.Option{config.MethodTimeout(0)}, []string{"method timeout is 0s", "every load would fail"}},
		{"the least durations", []config.Option{config.UpdateAfter(math.MinInt64), config.ExpireAfter(math.MinInt64), config.MethodTimeout(math.MinInt64), config.StoreBudget(math.MinInt64, math.MinInt64), config.QueueTimeout(math.MinInt64)},
			[]string{"update-after is -", "expire-after is -", "method timeout is -", "StoreBudget for reads is -", "StoreBudget for writes is -", "QueueTimeout is -"}},
		{"the least counts", []config.Option{config.Capacity(math.MinInt), config.MaxLoads(math.MinInt), config.MaxBatch(math.MinInt)}, []string{"Capacity is -", "MaxLoads is -", "MaxBatch is -"}},
		{"method timeout below", []config.Option{config.MethodTimeout(-1)}, []string{"method timeout is -1ns"}},
		{"capacity below 0", []config.Option{config.Capacity(-3)}, []string{"Capacity is -3", "give zero, which keeps nothing, or more"}},
		{"jitter below 0", []config.Option{config.Jitter(-0.1)}, []string{"Jitter is -0.1", "at least 0 and below 1"}},
		{"jitter 1", []config.Option{config.Jitter(1)}, []string{"Jitter is 1"}},
		{"jitter NaN", []config.Option{config.Jitter(math.NaN())}, []string{"Jitter is NaN"}},
		{"MaxLoads 0", []config.Option{config.MaxLoads(0)}, []string{"MaxLoads is 0", "more than zero"}},
		{"MaxBackground below", []config.Option{config.MaxBackground(-1)}, []string{"MaxBackground is -1"}},
		{"MaxRunaway 0", []config.Option{config.MaxRunaway(0)}, []string{"MaxRunaway is 0"}},
		{"MaxBatch 0", []config.Option{config.MaxBatch(0)}, []string{"MaxBatch is 0"}},
		{"StoreBudget 0", []config.Option{config.StoreBudget(0, -1)}, []string{"StoreBudget for reads is 0s", "StoreBudget for writes is -1ns"}},
		{"zero Option", []config.Option{{}}, []string{"zero Option"}},
		{"Capacity and Evict", []config.Option{config.Capacity(1), lru}, []string{"Capacity and Evict exclude each other"}},
		{"numbers without a unit", []config.Option{config.ExpireAfter(30), config.UpdateAfter(10)}, []string{"ExpireAfter is 30ns, less than a microsecond", "30*time.Second"}},
		{"other numbers without a unit", []config.Option{config.MethodTimeout(999), config.QueueTimeout(1), config.StoreBudget(1, 2)}, []string{"MethodTimeout is 999ns", "QueueTimeout is 1ns", "for reads is 1ns", "for writes is 2ns"}},
		{"Builder and UpdateAfter", []config.Option{own, config.UpdateAfter(1)}, []string{"Builder excludes UpdateAfter and ExpireAfter"}},
		{"Builder and ExpireAfter", []config.Option{config.ExpireAfter(1), own}, []string{"Builder excludes UpdateAfter and ExpireAfter"}},
		{"storage of other types", []config.Option{config.Storage[string, bool](storage.NewInMemory[string, bool]())},
			[]string{"Storage is given a *storage.InMemory[string,bool]", "needs storage.Storage[string,int]"}},
		{"strategy of another type", []config.Option{config.Evict(eviction.LeastRecentlyUpdated[int](1))},
			[]string{"Evict is given a *eviction.leastRecentlyUpdated[int]", "needs eviction.Strategy[string]"}},
		{"builder of other types", []config.Option{config.Builder[int, int](new(entry.LifeSpan[int, int]))},
			[]string{"Builder is given a *entry.LifeSpan[int,int]", "needs entry.Builder[string,int]"}},
		{"keys of other types", []config.Option{config.Keys(config.Identity[int]())},
			[]string{"Keys is given a config.identity[int]", "needs config.KeyExtractor[string,string]"}},
		{"postprocessing of another type", []config.Option{config.Postprocess(config.NoPostprocessing[bool]())},
			[]string{"Postprocess is given a config.noPostprocessing[bool]", "needs config.Postprocessing[int]"}},
		{"nil storage", []config.Option{config.Storage[string, int](nil)}, []string{"Storage is given nil", "leave the option out"}},
		{"typed nil storage", []config.Option{config.Storage[string, int]((*storage.InMemory[string, int])(nil))}, []string{"Storage is given nil"}},
		{"nil strategy", []config.Option{config.Evict[string](nil)}, []string{"Evict is given nil"}},
		{"nil builder", []config.Option{config.Builder[string, int](nil)}, []string{"Builder is given nil"}},
		{"nil keys", []config.Option{config.Keys(config.KeyOf[string, string](nil))}, []string{"Keys is given nil"}},
		{"nil postprocessing", []config.Option{config.Postprocess(config.CopyBy[int](nil))}, []string{"Postprocess is given nil"}},
		{"an option of the function", []config.Option{config.Name("name")}, []string{"Name concerns the function", "memoize.New"}},
	} {
		t.Run(c.name, func(t *testing.T) { says(t, made(c.opts...).Err(), c.wants...) })
	}
}

// All mistakes are reported at once.
func TestMistakesAtOnce(t *testing.T) {
	says(t, made(
		config.UpdateAfter(-time.Second), config.ExpireAfter(-time.Minute), config.Capacity(-1), config.MaxLoads(0),
		config.Jitter(2), config.Storage[int, int](storage.NewInMemory[int, int]()), config.Option{}, config.Logger(nil),
	).Err(),
		"update-after is -1s", "expire-after is -1m0s", "Capacity is -1", "MaxLoads is 0", "Jitter is 2",
		"*storage.InMemory[int,int]", "zero Option", "Logger concerns the function")
}

// A method timeout that is wrong is reported with the other mistakes too.
func TestMethodTimeoutAmongMistakes(t *testing.T) {
	says(t, made(config.Capacity(-1), config.MethodTimeout(0)).Err(), "Capacity is -1", "method timeout is 0s")
}

func TestOptionNames(t *testing.T) {
	for want, o := range map[string]config.Option{
		"config.UpdateAfter": config.UpdateAfter(1), "config.Name": config.Name("x"), "config.Capacity": config.Capacity(1),
	} {
		if o.String() != want {
			t.Errorf("got %q, want %q", o, want)
		}
	}
}

func TestSettingsValidate(t *testing.T) {
	says(t, (*config.Settings[string, string, int])(nil).Validate(), "snapshot is nil")
	says(t, (&config.Settings[string, string, int]{Configured: true}).Validate(),
		"Builder is nil", "Keys is nil", "Storage is nil", "Eviction is nil", "Postprocessing is nil", "set Configured to false until then", "method timeout is 0s")
	if err := (&config.Settings[string, string, int]{}).Validate(); err != nil {
		t.Errorf("settings that are switched off need no parts: %v", err)
	}
	s := *made().Snapshot()
	s.Limits.MaxLoads, s.MethodTimeout = -1, -time.Second
	says(t, config.Of(s).Err(), "limit MaxLoads is below zero", "method timeout is -1s")
}

func TestOf(t *testing.T) {
	s := *made().Snapshot()
	s.MethodTimeout = time.Second
	c := config.Of(s)
	first, second := c.Snapshot(), c.Snapshot()
	if c.Err() != nil || first.MethodTimeout != time.Second || first != second {
		t.Errorf("got %v, %v; want the settings that were given, always the same", c.Snapshot(), c.Err())
	}
}

// Apply: all or nothing.

func TestApply(t *testing.T) {
	c := config.Mutable(made(config.UpdateAfter(time.Minute)))
	before := c.Snapshot()
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	if err := c.Apply(config.MethodTimeout(time.Second), config.Capacity(7), config.Configured(false), config.Bypass(true)); err != nil {
		t.Fatal(err)
	}
	after := c.Snapshot()
	if after == before || before.MethodTimeout != config.DefaultMethodTimeout || !before.Configured {
		t.Error("a snapshot was changed that had been given out")
	}
	if after.MethodTimeout != time.Second || after.Configured || !after.Bypass || !strings.Contains(after.String(), "TinyLFU[capacity 4096] resized to 7,") {
		t.Errorf("got %v", after)
	}
	if after.Storage != before.Storage || after.Builder != before.Builder || after.Keys != before.Keys {
		t.Error("parts changed that nothing was said of")
	}
}

func TestApplyAllOrNothing(t *testing.T) {
	for name, wrong := range map[string]config.Option{
		"a mistake":               config.Capacity(-1),
		"a part that doesn't fit": config.Storage[int, int](storage.NewInMemory[int, int]()),
		"what is invalid":         config.MethodTimeout(0),
		"wiring":                  config.Name("other"),
		"a wrong life":            config.ExpireAfter(-1),
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Mutable(made())
			before := c.Snapshot()
			text := before.String()
			if err := c.Apply(config.Bypass(true), wrong, config.MaxLoads(1)); err == nil {
				t.Error("no error")
			}
			if c.Snapshot() != before || before.String() != text || before.Limits.MaxLoads != 0 {
				t.Errorf("something took effect: %v", c.Snapshot())
			}
		})
	}
}

// What was said of a life before still holds when more is said.
func TestApplyLives(t *testing.T) {
	c := config.Mutable(made(config.UpdateAfter(time.Minute)))
	for _, step := range []struct {
		opt  config.Option
		want entry.Life
	}{
		{config.MethodTimeout(time.Second), entry.Life{UpdateAfter: time.Minute, ExpireAfter: 30 * time.Minute}},
		{config.ExpireAfter(time.Hour), entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour}},
		{config.UpdateAfter(2 * time.Minute), entry.Life{UpdateAfter: 2 * time.Minute, ExpireAfter: time.Hour}},
	} {
		if err := c.Apply(step.opt); err != nil {
			t.Fatal(err)
		}
		if got := lives(t, c.Snapshot()); got != step.want {
			t.Errorf("after %v: %v, want %v", step.opt, got, step.want)
		}
	}
	own := entry.LifeOf[string](func(int) entry.Life { return entry.Life{UpdateAfter: 1, ExpireAfter: 2} })
	if err := c.Apply(config.Builder(own)); err != nil {
		t.Fatal(err)
	}
	if got := lives(t, c.Snapshot()); got != (entry.Life{UpdateAfter: 1, ExpireAfter: 2}) {
		t.Errorf("after Builder: %v", got)
	}
	if err := c.Apply(config.Jitter(0.5)); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(config.Jitter(0)); err != nil {
		t.Fatal(err)
	}
	if got := lives(t, c.Snapshot()); got != (entry.Life{UpdateAfter: 1, ExpireAfter: 2}) {
		t.Errorf("jitter and none again: %v, want the builder's lives", got)
	}
	for _, o := range []config.Option{config.UpdateAfter(time.Minute), config.ExpireAfter(time.Minute)} {
		says(t, c.Apply(o), "the Builder entry.lifeOf[string,int]")
		says(t, c.Apply(config.Jitter(0.5), o, config.Capacity(7)), "the Builder entry.lifeOf[string,int]")
	}
	if got := lives(t, c.Snapshot()); got != (entry.Life{UpdateAfter: 1, ExpireAfter: 2}) {
		t.Errorf("after lives that are refused: %v, want the builder's", got)
	}
	span, _ := entry.NewLifeSpan[string, int](entry.Life{UpdateAfter: time.Second, ExpireAfter: time.Minute})
	if err := c.Apply(config.Builder(span)); err != nil || lives(t, c.Snapshot()) != span.Life() {
		t.Errorf("with another Builder: %v, %v", lives(t, c.Snapshot()), err)
	}
	if err := config.Mutable(config.Of(*c.Snapshot())).Apply(config.UpdateAfter(time.Minute)); err == nil {
		t.Error("a copy of settings with a Builder loses it to UpdateAfter")
	}
}

// TestChanges says of settings what differs from those before, old to new.
func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		from, with []config.Option
		want       string
	}{
		"nothing":       {nil, nil, ""},
		"the same":      {[]config.Option{config.MaxLoads(7)}, []config.Option{config.MaxLoads(7)}, ""},
		"the default":   {nil, []config.Option{config.MaxLoads(config.DefaultMaxLoads)}, ""},
		"lives":         {nil, []config.Option{config.UpdateAfter(time.Minute)}, "Builder LifeSpan[update after 10m0s, expire after 30m0s] to LifeSpan[update after 1m0s, expire after 30m0s]"},
		"jitter":        {nil, []config.Option{config.Jitter(0.5)}, "Builder LifeSpan[update after 10m0s, expire after 30m0s] to Jittered[LifeSpan[update after 10m0s, expire after 30m0s], 0.5]"},
		"several":       {nil, []config.Option{config.Bypass(true), config.MethodTimeout(time.Second), config.MaxRunaway(3)}, "Bypass false to true, MethodTimeout 2m0s to 1s, MaxRunaway 64 to 3"},
		"a capacity":    {[]config.Option{config.Capacity(5)}, []config.Option{config.Capacity(7)}, "Capacity 5 to 7"},
		"a strategy":    {nil, []config.Option{config.Evict(eviction.LeastFrequentlyUsed[string](9))}, "Eviction TinyLFU[capacity 4096] to LeastFrequentlyUsed[capacity 9]"},
		"another alike": {[]config.Option{config.Evict(eviction.LeastFrequentlyUsed[string](9))}, []config.Option{config.Evict(eviction.LeastFrequentlyUsed[string](9))}, "Eviction LeastFrequentlyUsed[capacity 9] to another"},
		"weights":       {[]config.Option{config.Capacity(9)}, []config.Option{config.Weigh(func(string, int) int { return 1 })}, "Weigh none to func(string, int) int"},
	} {
		live := config.Mutable(made(c.from...))
		was := live.Snapshot()
		if err := live.Apply(c.with...); err != nil {
			t.Fatal(name, err)
		}
		if got := live.Snapshot().Changes(was); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestMutableOfAFault(t *testing.T) {
	c := config.Mutable(made(config.Capacity(-1)))
	says(t, c.Err(), "Capacity is -1")
	says(t, c.Apply(config.Bypass(true)), "Capacity is -1")
	says(t, config.Mutable[string, string, int](nil).Err(), "nil configuration")
	if err := c.Replace(*made().Snapshot()); err != nil || c.Err() != nil {
		t.Errorf("settings that are right do not take the fault's place: %v, %v", err, c.Err())
	}
	says(t, c.Replace(config.Settings[string, string, int]{Configured: true}), "Builder is nil")
}

// Who watches takes part: all agree, or nothing changes.
func TestWatchersAgreeOrNothingChanges(t *testing.T) {
	c := config.Mutable(made())
	var happened []string
	watch := func(name string, err error) func() {
		return c.Watch(module.Only{}, &module.Watcher[config.Settings[string, string, int]]{Prepare: func(next *config.Settings[string, string, int]) (module.Change, error) {
			if c.Snapshot() == next {
				t.Error("the settings are in force before everybody has agreed")
			}
			return module.Change{
				Commit: func() {
					if c.Snapshot() != next {
						t.Error("the settings are not in force at Commit")
					}
					happened = append(happened, name+" commits")
				},
				Abort: func() { happened = append(happened, name+" aborts") },
			}, err
		}})
	}
	watch("first", nil)
	refuses := errors.New("no")
	stop := watch("second", refuses)
	before := c.Snapshot()
	if err := c.Apply(config.Bypass(true)); err != refuses || c.Snapshot() != before {
		t.Fatalf("got %v, want %v and no change", err, refuses)
	}
	for _, h := range happened { // the order of watchers is not told
		if h != "first aborts" {
			t.Errorf("happened: %q", happened)
		}
	}
	happened = nil
	stop()
	if err := c.Apply(config.Bypass(true)); err != nil || c.Snapshot() == before {
		t.Fatalf("got %v, want a change", err)
	}
	if fmt.Sprint(happened) != "[first commits]" {
		t.Errorf("happened: %q", happened)
	}
}

// Changes and calls at once: every snapshot is a whole one.
func TestApplyConcurrently(t *testing.T) {
	c := config.Mutable(made(config.UpdateAfter(time.Minute), config.MethodTimeout(time.Minute)))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 100 {
				d := time.Duration(i*100+n+1) * time.Second
				if err := c.Apply(config.UpdateAfter(d), config.MethodTimeout(d)); err != nil {
					t.Error(err)
				}
				s := c.Snapshot()
				if got := s.Builder.Build("key", 1, 0).UpdateAfter().Sub(0); got != s.MethodTimeout {
					t.Errorf("a snapshot has update-after %v and method timeout %v, which were set together", got, s.MethodTimeout)
				}
			}
		})
	}
	wg.Wait()
}

// Keys.

func TestKeys(t *testing.T) {
	ctx := context.Background()
	if key, err := config.Identity[string]().Key(ctx, "a"); key != "a" || err != nil || !isIdentity(config.Identity[string]()) {
		t.Errorf("Identity: %q, %v", key, err)
	}
	length := config.KeyOf(func(s string) int { return len(s) })
	if key, err := length.Key(ctx, "abc"); key != 3 || err != nil || isIdentity(length) {
		t.Errorf("KeyOf: %d, %v", key, err)
	}
	stub := errors.New("stub")
	fails := config.KeyFunc[string, int](func(context.Context, string) (int, error) { return 0, stub })
	if _, err := fails.Key(ctx, "a"); err != stub {
		t.Errorf("KeyFunc: %v", err)
	}
	tenant := func(context.Context) (string, error) { return "t", nil }
	if key, err := config.ScopedKeys(length, tenant).Key(ctx, "abc"); key != (config.Scoped[int]{Scope: "t", Key: 3}) || err != nil {
		t.Errorf("ScopedKeys: %v, %v", key, err)
	}
	none := func(context.Context) (string, error) { return "", stub }
	if _, err := config.ScopedKeys(length, none).Key(ctx, "abc"); !errors.Is(err, stub) {
		t.Errorf("ScopedKeys without a scope: %v", err)
	}
	if config.ScopedKeys[string, int](nil, tenant) != nil || config.ScopedKeys(length, nil) != nil {
		t.Error("ScopedKeys of nothing is something")
	}
}

func TestPostprocessing(t *testing.T) {
	if p := config.NoPostprocessing[int](); p.Apply(1) != 1 || !changesNothing(p) {
		t.Error("NoPostprocessing changes something, or is not known as that")
	}
	if p := config.CopyBy(func(v int) int { return v + 1 }); p.Apply(1) != 2 || changesNothing(p) || fmt.Sprint(p) != "CopyBy" {
		t.Error("CopyBy does not apply its function, or passes for none")
	}
}

func isIdentity(keys any) bool  { _, is := keys.(module.Identity); return is }
func changesNothing(p any) bool { _, is := p.(module.Unchanging); return is }
