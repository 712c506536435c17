package storagetest

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

// bytesSubject is what a check is run on. Its methods stop the check at an
// error.
type bytesSubject struct {
	Store
	ctx    context.Context
	b      storage.Bytes
	prefix string
}

// long is a time that does not end while a check runs.
const long = time.Hour

// The capabilities, where a check needs them.
func (s *bytesSubject) bulk() storage.BulkBytes       { return s.b.(storage.BulkBytes) }
func (s *bytesSubject) adder() storage.AdderBytes     { return s.b.(storage.AdderBytes) }
func (s *bytesSubject) toucher() storage.ToucherBytes { return s.b.(storage.ToucherBytes) }
func (s *bytesSubject) lister() storage.ListerBytes   { return s.b.(storage.ListerBytes) }
func (s *bytesSubject) fenced() storage.FencedBytes   { return s.b.(storage.FencedBytes) }

func (s *bytesSubject) can(c Capability) bool { return s.Can&c == c }

// life is a time that ends while a check runs: see passLife.
func (s *bytesSubject) life() time.Duration {
	if s.Exact {
		return s.rounded(time.Second)
	}
	return s.rounded(max(2*s.Resolution, 500*time.Millisecond))
}

// passLife lets so much time pass that what is kept for life is over: to the
// instant, where it can be done.
func (s *bytesSubject) passLife() {
	if s.Exact {
		s.Advance(s.life())
		return
	}
	s.Advance(s.life() + 2*s.Resolution)
}

// young tells whether what is kept for life since began is certainly not over.
func (s *bytesSubject) young(began time.Time) bool {
	return s.Exact || time.Since(began) < s.life()/2
}

// rounded is a time as the store keeps it.
func (s *bytesSubject) rounded(d time.Duration) time.Duration {
	if rest := d % s.Resolution; rest > 0 && d <= storage.Forever-s.Resolution {
		return d + s.Resolution - rest
	}
	return d
}

func (s *bytesSubject) key(name string) string { return s.prefix + name }

func (s *bytesSubject) keys(names ...string) []string {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = s.key(name)
	}
	return keys
}

func (s *bytesSubject) set(t checks.TB, key, value string, keep time.Duration) {
	t.Helper()
	if err := s.b.Set(s.ctx, key, []byte(value), keep); err != nil {
		t.Fatalf("Set of %.80q for %v: %v", key, keep, err)
	}
}

func (s *bytesSubject) get(t checks.TB, key string) storage.Record {
	t.Helper()
	r, err := s.b.Get(s.ctx, key)
	if err != nil {
		t.Fatalf("Get of %.80q: %v", key, err)
	}
	return r
}

// holds checks that the key has the value.
func (s *bytesSubject) holds(t checks.TB, key, value string) {
	t.Helper()
	s.same(t, "Get", key, s.get(t, key), value)
}

func (s *bytesSubject) same(t checks.TB, verb, key string, r storage.Record, value string) {
	t.Helper()
	if !r.Found {
		t.Fatalf("%s of %.80q finds nothing, want %s", verb, key, brief([]byte(value)))
	}
	if !bytes.Equal(r.Value, []byte(value)) {
		t.Fatalf("%s of %.80q returns %s, want %s", verb, key, brief(r.Value), brief([]byte(value)))
	}
}

// holdsYoung checks that the key has the value, unless so much time has passed
// meanwhile that it may be over.
func (s *bytesSubject) holdsYoung(t checks.TB, began time.Time, key, value string) {
	t.Helper()
	if r := s.get(t, key); s.young(began) {
		s.same(t, "Get", key, r, value)
	}
}

// lacks checks that the key has nothing.
func (s *bytesSubject) lacks(t checks.TB, key string) {
	t.Helper()
	s.none(t, "Get", key, s.get(t, key))
}

func (s *bytesSubject) none(t checks.TB, verb, key string, r storage.Record) {
	t.Helper()
	if r.Found || len(r.Value) > 0 || r.Left != 0 {
		t.Fatalf("%s of %.80q returns %s for %v (found %v), want nothing", verb, key, brief(r.Value), r.Left, r.Found)
	}
}

func (s *bytesSubject) delete(t checks.TB, key string, want bool) {
	t.Helper()
	existed, err := s.b.Delete(s.ctx, key)
	if err != nil || existed != want {
		t.Fatalf("Delete of %.80q says %v, %v; want %v", key, existed, err, want)
	}
}

func (s *bytesSubject) add(t checks.TB, key, value string, keep time.Duration, want bool) {
	t.Helper()
	added, err := s.adder().Add(s.ctx, key, []byte(value), keep)
	if err != nil || added != want {
		t.Fatalf("Add of %.80q says %v, %v; want %v", key, added, err, want)
	}
}

func (s *bytesSubject) touch(t checks.TB, keep time.Duration, keys []string, want ...bool) {
	t.Helper()
	got, err := s.toucher().Touch(s.ctx, keep, keys...)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("Touch of %.80q for %v says %v, %v; want %v", keys, keep, got, err, want)
	}
}

func (s *bytesSubject) getMany(t checks.TB, keys []string) []storage.Record {
	t.Helper()
	rs, err := s.bulk().GetMany(s.ctx, keys)
	if err != nil || len(rs) != len(keys) {
		t.Fatalf("GetMany of %d keys returns %d records, %v", len(keys), len(rs), err)
	}
	return rs
}

func (s *bytesSubject) setMany(t checks.TB, items ...storage.Item) {
	t.Helper()
	if err := s.bulk().SetMany(s.ctx, items); err != nil {
		t.Fatalf("SetMany of %d items: %v", len(items), err)
	}
}

// listed is what Keys yields, sorted and each once.
func (s *bytesSubject) listed(t checks.TB, prefix string) []string {
	t.Helper()
	var all []string
	for key, err := range s.lister().Keys(s.ctx, prefix) {
		if err != nil {
			t.Fatalf("Keys of %.80q: %v", prefix, err)
		}
		all = append(all, key)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *bytesSubject) lists(t checks.TB, prefix string, want ...string) {
	t.Helper()
	got := s.listed(t, prefix)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("Keys of %.80q yields %.80q, want %.80q", prefix, got, want)
	}
}

func (s *bytesSubject) clear(t checks.TB, prefix string) {
	t.Helper()
	if err := s.lister().Clear(s.ctx, prefix); err != nil {
		t.Fatalf("Clear of %.80q: %v", prefix, err)
	}
}

// claim claims one key.
func (s *bytesSubject) claim(t checks.TB, key string, hold time.Duration) storage.Claimed {
	t.Helper()
	claims, err := s.fenced().Claim(s.ctx, hold, key)
	if err != nil || len(claims) != 1 {
		t.Fatalf("Claim of %.80q returns %d claims, %v; want 1", key, len(claims), err)
	}
	return claims[0]
}

// fill fills one claim.
func (s *bytesSubject) fill(t checks.TB, key, value string, c storage.Claimed, want bool) {
	t.Helper()
	s.fillFor(t, key, value, long, c, want)
}

func (s *bytesSubject) fillFor(t checks.TB, key, value string, keep time.Duration, c storage.Claimed, want bool) {
	t.Helper()
	stored, err := s.fenced().Fill(s.ctx, storage.Filling{Item: storage.Item{Key: key, Value: []byte(value), Keep: keep}, Token: c.Token})
	if err != nil || len(stored) != 1 || stored[0] != want {
		t.Fatalf("Fill of %.80q says %v, %v; want %v", key, stored, err, want)
	}
}

// left checks what is left of a record that was given keep a moment ago, and
// tells whether it is right.
func (s *bytesSubject) left(t checks.TB, verb, key string, r storage.Record, keep time.Duration) bool {
	t.Helper()
	const slow = 5 * time.Minute // since it was given
	switch want := s.rounded(keep); {
	case !r.Found:
		t.Errorf("%s of %.80q finds nothing", verb, key)
	case s.Timeless && r.Left != 0 && r.Left != storage.Forever,
		!s.Timeless && s.LeftUnknown && r.Left != 0:
		t.Errorf("%s of %.80q has %v left, of a store that says that it can't tell", verb, key, r.Left)
	case s.Timeless || s.LeftUnknown:
		return true
	case (keep == storage.Forever || s.Exact) && r.Left != want,
		r.Left <= 0 || r.Left > want || r.Left < want-slow:
		t.Errorf("%s of %.80q has %v left, want %v", verb, key, r.Left, want)
	default:
		return true
	}
	return false
}

// brief is a value, cut so that it can be read.
func brief(value []byte) string {
	const most = 40
	if len(value) <= most {
		return quoted(value)
	}
	return quoted(value[:most]) + "..."
}
