package entry_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/module"
)

// born is not the epoch, so that nothing passes by taking zero for it.
const born = entry.Instant(1_700_000_000_000_000_000)

// At the instant itself the later state holds (G2).
func TestStateAtTheBoundaries(t *testing.T) {
	const update, expire = time.Minute, time.Hour
	for _, created := range []entry.Instant{born, 0, -born} { // every value is a legal instant
		e := entry.New("value", created, entry.Life{UpdateAfter: update, ExpireAfter: expire})
		for _, c := range []struct {
			name  string
			after time.Duration
			want  entry.State
		}{
			{"before birth", -1, entry.Fresh},
			{"at birth", 0, entry.Fresh},
			{"before update-after", update - 1, entry.Fresh},
			{"at update-after", update, entry.Stale},
			{"past update-after", update + 1, entry.Stale},
			{"before expires-after", expire - 1, entry.Stale},
			{"at expires-after", expire, entry.Expired},
			{"past expires-after", expire + 1, entry.Expired},
			{"at the end of time", math.MaxInt64, entry.Expired},
		} {
			now := created.Add(c.after)
			if got := e.StateAt(now); got != c.want {
				t.Errorf("created at %d, %s: %v, want %v", created, c.name, got, c.want)
			}
			if got := e.Meta.StateAt(now); got != c.want {
				t.Errorf("created at %d, %s: its Meta says %v, want %v", created, c.name, got, c.want)
			}
		}
	}
}

func TestStateOfOddLives(t *testing.T) {
	for _, c := range []struct {
		name           string
		update, expire time.Duration
		after          time.Duration
		want           entry.State
	}{
		{"update-after AtOnce is stale at once", entry.AtOnce, time.Hour, 0, entry.Stale},
		{"expire-after 0 is expired at once", 0, 0, 0, entry.Expired},
		{"a negative life is expired", -2, -1, 0, entry.Expired},
		{"equal ends: fresh until then", time.Hour, time.Hour, time.Hour - 1, entry.Fresh},
		{"equal ends: never stale", time.Hour, time.Hour, time.Hour, entry.Expired},
		{"update-after above expire-after: fresh until then", 2 * time.Hour, time.Hour, time.Hour - 1, entry.Fresh},
		{"update-after above expire-after: never stale", 2 * time.Hour, time.Hour, time.Hour, entry.Expired},
	} {
		e := entry.New(1, born, entry.Life{UpdateAfter: c.update, ExpireAfter: c.expire})
		if got := e.StateAt(born.Add(c.after)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	var none *entry.Entry[int]
	if got := none.StateAt(born); got != entry.Missing {
		t.Errorf("no entry: %v, want missing", got)
	}
}

func TestStates(t *testing.T) {
	for s, want := range map[entry.State]struct {
		name     string
		servable bool
	}{
		entry.Missing: {"missing", false}, entry.Fresh: {"fresh", true}, entry.Stale: {"stale", true},
		entry.Expired: {"expired", false}, 200: {"invalid state", false},
	} {
		if s.String() != want.name || s.Servable() != want.servable {
			t.Errorf("state %d: %q, servable %v; want %q, %v", s, s, s.Servable(), want.name, want.servable)
		}
	}
}

func TestInstants(t *testing.T) {
	for _, c := range []struct {
		name string
		got  entry.Instant
		want entry.Instant
	}{
		{"add", born.Add(5), born + 5},
		{"add less than nothing", born.Add(-5), born - 5},
		{"add past the end", born.Add(math.MaxInt64), entry.Never},
		{"add to the end", entry.Never.Add(1), entry.Never},
		{"add nothing to the end", entry.Never.Add(0), entry.Never},
		{"add the longest to zero", entry.Instant(0).Add(math.MaxInt64), entry.Never},
		{"add back from the end", entry.Never.Add(-1), entry.Never - 1},
		{"add back before the beginning", entry.Instant(math.MinInt64).Add(-1), math.MinInt64},
		{"add the least to one before the epoch", entry.Instant(-1).Add(math.MinInt64), math.MinInt64},
		{"add the least to zero", entry.Instant(0).Add(math.MinInt64), math.MinInt64},
		{"add the least to the end", entry.Never.Add(math.MinInt64), -1},
		{"of a time past the end", entry.At(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)), entry.Never},
		{"of a time just past the end", entry.At(time.Unix(0, math.MaxInt64).Add(1)), entry.Never},
		{"of the last time", entry.At(time.Unix(0, math.MaxInt64)), entry.Never},
		{"of no time", entry.At(time.Time{}), math.MinInt64},
		{"of the first time", entry.At(time.Unix(0, math.MinInt64)), math.MinInt64},
		{"of a time", entry.At(time.Unix(1, 2)), 1e9 + 2},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
	if got := born.Sub(born - 7); got != 7 {
		t.Errorf("Sub: %v, want 7ns", got)
	}
	if got := born.Time(); got.UnixNano() != int64(born) || got.Location() != time.UTC {
		t.Errorf("Time: %v, want the instant in UTC", got)
	}
}

func TestAccessors(t *testing.T) {
	for name, e := range map[string]*entry.Entry[string]{
		"New":     entry.New("value", born, entry.Life{UpdateAfter: 10, ExpireAfter: 30}),
		"Restore": entry.Restore("value", born, born+10, born+30),
	} {
		if e.Value != "value" || e.Created() != born || e.UpdateAfter() != born+10 || e.ExpiresAfter() != born+30 || e.KeepUntil() != born+30 {
			t.Errorf("%s: %q, %d, %d, %d, kept until %d", name, e.Value, e.Created(), e.UpdateAfter(), e.ExpiresAfter(), e.KeepUntil())
		}
		if e.Age(born+7) != 7 || e.Age(born-7) != 0 {
			t.Errorf("%s: ages %v and %v, want 7ns and 0", name, e.Age(born+7), e.Age(born-7))
		}
		if e.NoRefreshBefore(module.Only{}) != math.MinInt64 {
			t.Errorf("%s: no refresh before %d, want never", name, e.NoRefreshBefore(module.Only{}))
		}
		e.DelayRefresh(module.Only{}, born+11)
		e.Mark().Store(1)
		if e.NoRefreshBefore(module.Only{}) != born+11 || e.Mark().Load() != 1 {
			t.Errorf("%s: no refresh before %d, mark %d; want what was set", name, e.NoRefreshBefore(module.Only{}), e.Mark().Load())
		}
	}
}

func TestLifeValidate(t *testing.T) {
	for _, c := range []struct {
		life  entry.Life
		wants []string // nothing: it is legal
	}{
		{entry.Life{}, nil},
		{entry.Life{UpdateAfter: 1, ExpireAfter: 2}, nil},
		{entry.Life{UpdateAfter: 2, ExpireAfter: 2}, nil},
		{entry.Life{ExpireAfter: 2}, nil},
		{entry.Life{UpdateAfter: entry.AtOnce}, nil},
		{entry.Life{UpdateAfter: entry.AtOnce + 1, ExpireAfter: 2}, []string{"give zero or more, or entry.AtOnce"}},
		{entry.Life{UpdateAfter: 3 * time.Minute, ExpireAfter: 2 * time.Minute}, []string{"update-after 3m0s is above expire-after 2m0s", "give at most 2m0s"}},
		{entry.Life{UpdateAfter: -time.Second, ExpireAfter: time.Minute}, []string{"update-after is -1s", "give zero or more"}},
		{entry.Life{UpdateAfter: time.Second, ExpireAfter: -time.Minute}, []string{"expire-after is -1m0s"}},
		{entry.Life{UpdateAfter: -1, ExpireAfter: -2}, []string{"update-after is -1ns", "expire-after is -2ns"}},
	} {
		err := c.life.Validate()
		if (err == nil) != (c.wants == nil) {
			t.Errorf("%+v: %v", c.life, err)
			continue
		}
		for _, want := range c.wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v; want it to say %q", c.life, err, want)
			}
		}
	}
}

func lives(b entry.Builder[string, int]) entry.Life {
	e := b.Build("key", 1, born)
	return entry.Life{UpdateAfter: e.UpdateAfter().Sub(born), ExpireAfter: e.ExpiresAfter().Sub(born)}
}

func TestLifeSpan(t *testing.T) {
	var zero entry.LifeSpan[string, int]
	if got, want := lives(&zero), (entry.Life{UpdateAfter: 10 * time.Minute, ExpireAfter: 30 * time.Minute}); got != want {
		t.Errorf("the zero LifeSpan gives %v, want %v", got, want)
	}
	want := entry.Life{UpdateAfter: time.Second, ExpireAfter: time.Minute}
	b, err := entry.NewLifeSpan[string, int](want)
	if err != nil || lives(b) != want || b.Life() != want {
		t.Errorf("got %v, %v, %v; want %v", lives(b), b.Life(), err, want)
	}
	if _, err := entry.NewLifeSpan[string, int](entry.Life{UpdateAfter: -1}); err == nil {
		t.Error("a negative life is taken")
	}
	if got, want := b.String(), "LifeSpan[update after 1s, expire after 1m0s]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An update-after that is left out is a third of the expire-after, whoever gives the life.
func TestLifeWithoutUpdateAfter(t *testing.T) {
	for _, c := range []struct{ given, want entry.Life }{
		{entry.Life{ExpireAfter: time.Minute}, entry.Life{UpdateAfter: 20 * time.Second, ExpireAfter: time.Minute}},
		{entry.Life{UpdateAfter: entry.AtOnce, ExpireAfter: time.Minute}, entry.Life{ExpireAfter: time.Minute}},
		{entry.Life{UpdateAfter: 1, ExpireAfter: time.Minute}, entry.Life{UpdateAfter: 1, ExpireAfter: time.Minute}},
		{entry.Life{}, entry.Life{}},
	} {
		span, err := entry.NewLifeSpan[string, int](c.given)
		if err != nil || lives(span) != c.want {
			t.Errorf("%v: LifeSpan gives %v, %v", c.given, lives(span), err)
		}
		if got := lives(entry.LifeOf[string](func(int) entry.Life { return c.given })); got != c.want {
			t.Errorf("%v: LifeOf gives %v", c.given, got)
		}
		e := entry.New(1, born, c.given)
		if got := (entry.Life{UpdateAfter: e.UpdateAfter().Sub(born), ExpireAfter: e.ExpiresAfter().Sub(born)}); got != c.want {
			t.Errorf("%v: New gives %v", c.given, got)
		}
		if want := fmt.Sprintf("LifeSpan[update after %v, expire after %v]", c.want.UpdateAfter, c.want.ExpireAfter); span.String() != want {
			t.Errorf("%v: got %q, want %q", c.given, span, want)
		}
	}
}

// A change holds for entries that are built later; one that is refused changes
// nothing; and it may come while others build.
func TestLifeSpanUpdateWhileRunning(t *testing.T) {
	b := new(entry.LifeSpan[string, int])
	before := b.Build("key", 1, born)
	short, long := entry.Life{UpdateAfter: 1, ExpireAfter: 2}, entry.Life{UpdateAfter: time.Hour, ExpireAfter: 2 * time.Hour}
	if err := b.Update(short); err != nil {
		t.Fatal(err)
	}
	if got := lives(b); got != short {
		t.Errorf("after the change entries live %v, want %v", got, short)
	}
	if got := before.ExpiresAfter().Sub(born); got != entry.DefaultExpireAfter {
		t.Errorf("an entry from before lives %v, want what it was built with", got)
	}
	if err := b.Update(entry.Life{UpdateAfter: 2, ExpireAfter: 1}); err == nil || lives(b) != short {
		t.Errorf("a life that is wrong: %v, and entries live %v", err, lives(b))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				if i%2 == 0 {
					_ = b.Update(long)
				} else {
					_ = b.Update(short)
				}
				if got := lives(b); got != short && got != long {
					t.Errorf("an entry lives %v, which nobody asked for", got)
					return
				}
			}
		})
	}
	wg.Wait()
}

type token struct{ ttl time.Duration }

func TestLifeOf(t *testing.T) {
	b := entry.LifeOf[string](func(v token) entry.Life {
		return entry.Life{UpdateAfter: v.ttl, ExpireAfter: v.ttl + v.ttl/10}
	})
	for _, ttl := range []time.Duration{time.Minute, time.Hour, 0, -time.Minute} {
		e := b.Build("key", token{ttl}, born)
		if e.Value.ttl != ttl || e.Created() != born || e.UpdateAfter() != born.Add(ttl) || e.ExpiresAfter() != born.Add(ttl+ttl/10) {
			t.Errorf("ttl %v: %+v", ttl, e)
		}
		if ttl <= 0 && e.StateAt(born) != entry.Expired {
			t.Errorf("ttl %v: %v at birth, want expired", ttl, e.StateAt(born))
		}
	}
}

func TestBuilderFunc(t *testing.T) {
	var b entry.Builder[string, string] = entry.BuilderFunc[string, string](func(key, value string, now entry.Instant) *entry.Entry[string] {
		return entry.New(key+value, now, entry.Life{ExpireAfter: 1})
	})
	if got := b.Build("key ", "value", born); got.Value != "key value" || got.Created() != born {
		t.Errorf("got %+v", got)
	}
}

// Jitter makes lives shorter, never longer, by a share that depends on the key
// alone.
func TestJittered(t *testing.T) {
	inner, err := entry.NewLifeSpan[int, string](entry.Life{UpdateAfter: time.Hour, ExpireAfter: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const keys = 1000
	for _, share := range []float64{0, 0.1, 0.5, 0.999} {
		b := entry.Jittered[int, string](inner, share)
		differ := map[entry.Instant]bool{}
		var sum time.Duration
		for key := range keys {
			e := b.Build(key, "value", born)
			for _, life := range []struct {
				name       string
				got, whole time.Duration
			}{
				{"update-after", e.UpdateAfter().Sub(born), time.Hour},
				{"expires-after", e.ExpiresAfter().Sub(born), 2 * time.Hour},
			} {
				least := time.Duration(float64(life.whole) * (1 - share))
				if life.got > life.whole || life.got < least-1 {
					t.Errorf("share %v, key %d: %s is %v, want %v to %v", share, key, life.name, life.got, least, life.whole)
				}
			}
			if ratio := float64(e.ExpiresAfter().Sub(born)) / float64(e.UpdateAfter().Sub(born)); math.Abs(ratio-2) > 1e-6 {
				t.Errorf("share %v, key %d: expires-after is %v times update-after, want 2", share, key, ratio)
			}
			if again := b.Build(key, "other", born); again.UpdateAfter() != e.UpdateAfter() || again.ExpiresAfter() != e.ExpiresAfter() {
				t.Errorf("share %v, key %d: two builds give two lives", share, key)
			}
			if e.Created() != born || e.Value != "value" {
				t.Errorf("share %v, key %d: %+v", share, key, e)
			}
			differ[e.UpdateAfter()] = true
			sum += time.Hour - e.UpdateAfter().Sub(born)
		}
		if share > 0 && len(differ) < keys*9/10 {
			t.Errorf("share %v: %d keys have %d lives", share, keys, len(differ))
		}
		if mean, want := float64(sum/keys), share/2*float64(time.Hour); math.Abs(mean-want) > want/4 {
			t.Errorf("share %v: lives are %v shorter on average, want about %v", share, time.Duration(mean), time.Duration(want))
		}
	}
}

// Lives without an end are not cut short by a jitter that rounds to nothing.
func TestJitteredLivesWithoutEnd(t *testing.T) {
	forever := entry.LifeOf[int](func(int) entry.Life {
		return entry.Life{UpdateAfter: math.MaxInt64, ExpireAfter: math.MaxInt64}
	})
	for _, share := range []float64{0, 1e-20, 0.5, math.Nextafter(1, 0)} {
		for _, created := range []entry.Instant{0, born, -born, math.MinInt64, entry.Never - 1} {
			for key := range 100 {
				e := entry.Jittered(forever, share).Build(key, 1, created)
				if least := created.Add(time.Duration(0.99 * (1 - share) * float64(entry.Never.Sub(created)))); e.ExpiresAfter() < least || e.UpdateAfter() < least {
					t.Fatalf("share %v, created at %d: it is fresh until %d and expires at %d", share, created, e.UpdateAfter(), e.ExpiresAfter())
				}
			}
		}
	}
}

func TestJitteredOddLives(t *testing.T) {
	for _, c := range []struct {
		name           string
		update, expire time.Duration
	}{
		{"zero", 0, 0}, {"negative", -time.Hour, -time.Minute}, {"for ever", math.MaxInt64, math.MaxInt64},
		{"update-after AtOnce", entry.AtOnce, time.Hour},
	} {
		b := entry.Jittered(entry.LifeOf[string](func(int) entry.Life {
			return entry.Life{UpdateAfter: c.update, ExpireAfter: c.expire}
		}), 0.5)
		plain := entry.New(1, born, entry.Life{UpdateAfter: c.update, ExpireAfter: c.expire})
		for _, key := range []string{"a", "b", "c"} {
			e := b.Build(key, 1, born)
			if e.UpdateAfter() > plain.UpdateAfter() || e.ExpiresAfter() > plain.ExpiresAfter() {
				t.Errorf("%s: a life is longer than without jitter: %v, %v", c.name, e.UpdateAfter(), e.ExpiresAfter())
			}
			if c.update <= 0 && e.UpdateAfter() != plain.UpdateAfter() {
				t.Errorf("%s: update-after is %v, want %v", c.name, e.UpdateAfter(), plain.UpdateAfter())
			}
		}
	}
	none := entry.BuilderFunc[string, int](func(string, int, entry.Instant) *entry.Entry[int] { return nil })
	if e := entry.Jittered(none, 0.5).Build("key", 1, born); e != nil {
		t.Errorf("a builder's nil becomes %+v", e)
	}
}

// An entry never becomes younger.
func FuzzStateAtIsMonotone(f *testing.F) {
	f.Add(int64(born), int64(time.Minute), int64(time.Hour), int64(born), int64(time.Minute))
	f.Add(int64(0), int64(-1), int64(0), int64(math.MinInt64), int64(math.MaxInt64))
	f.Add(int64(0), int64(2), int64(1), int64(0), int64(1))
	f.Fuzz(func(t *testing.T, created, update, expire, now, later int64) {
		for _, e := range []*entry.Entry[int]{
			entry.New(1, entry.Instant(created), entry.Life{UpdateAfter: time.Duration(update), ExpireAfter: time.Duration(expire)}),
			entry.Restore(1, entry.Instant(created), entry.Instant(update), entry.Instant(expire)),
		} {
			a, b := entry.Instant(now), entry.Instant(later)
			if a > b {
				a, b = b, a
			}
			if was, is := e.StateAt(a), e.StateAt(b); was > is {
				t.Fatalf("%+v is %v at %d and %v at %d", e, was, a, is, b)
			}
			if s := e.StateAt(a); (s == entry.Expired) != (e.ExpiresAfter() <= a) || s == entry.Missing {
				t.Fatalf("%+v is %v at %d", e, s, a)
			}
		}
	})
}
