package storage_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
)

// faulty is a Memory whose calls fail while fault is set, which says that its
// records have so long left, and which remembers what was to be kept for how long.
type faulty struct {
	*storage.Memory
	fault error
	left  time.Duration // 0: as it is
	most  int           // the longest key
	keeps []time.Duration
}

func (f *faulty) MaxKey() int         { return f.most }
func (f *faulty) ReturnsInTime() bool { return true }

func (f *faulty) Get(ctx context.Context, key string) (storage.Record, error) {
	r, err := f.Memory.Get(ctx, key)
	if r.Found && f.left != 0 {
		r.Left = max(0, f.left)
	}
	return r, cmpErr(f.fault, err)
}

func (f *faulty) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	f.keeps = append(f.keeps, keep)
	return cmpErr(f.fault, f.Memory.Set(ctx, key, value, keep))
}

func (f *faulty) Delete(ctx context.Context, key string) (bool, error) {
	was, err := f.Memory.Delete(ctx, key)
	return was, cmpErr(f.fault, err)
}

func (f *faulty) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	if len(keys) == 0 || slices.Contains(keys, "") {
		return nil, errNothing
	}
	r, err := f.Memory.GetMany(ctx, keys)
	return r, cmpErr(f.fault, err)
}

func (f *faulty) SetMany(ctx context.Context, items []storage.Item) error {
	if len(items) == 0 || items[0].Key == "" {
		return errNothing
	}
	return cmpErr(f.fault, f.Memory.SetMany(ctx, items))
}

func (f *faulty) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	if len(keys) == 0 || slices.Contains(keys, "") {
		return nil, errNothing
	}
	was, err := f.Memory.DeleteMany(ctx, keys)
	return was, cmpErr(f.fault, err)
}

func (f *faulty) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if len(keys) == 0 {
		return nil, errNothing
	}
	c, err := f.Memory.Claim(ctx, hold, keys...)
	return c, cmpErr(f.fault, err)
}

func (f *faulty) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if len(fills) == 0 {
		return nil, errNothing
	}
	stored, err := f.Memory.Fill(ctx, fills...)
	return stored, cmpErr(f.fault, err)
}

func (f *faulty) Clear(ctx context.Context, prefix string) error {
	return cmpErr(f.fault, f.Memory.Clear(ctx, prefix))
}

// cmpErr is the first error of two.
func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// shareFloats is a function's part of a store whose keys are numbers, of which
// one that is none has no text, and whose values are numbers, likewise.
func shareFloats(t *testing.T, now entry.Instant) (*storage.Shared[float64, float64], *faulty) {
	t.Helper()
	f := &faulty{Memory: newMemory(t)}
	store, err := storage.Share(f, storage.Prefix("x:"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.NewPart[float64, float64](store, nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind("f"); err != nil {
		t.Fatal(err)
	}
	s.SetClock(func() entry.Instant { return now })
	return s, f
}

// at is an entry that was made an hour before now, with two hours to go.
func at(now entry.Instant, value float64) *entry.Entry[float64] {
	return entry.Restore(value, now.Add(-time.Hour), now, now.Add(2*time.Hour))
}

func (f *faulty) CompareAndSwap(ctx context.Context, was storage.Claimed, item storage.Item) (bool, error) {
	if f.fault != nil {
		return false, f.fault
	}
	return f.Memory.CompareAndSwap(ctx, was, item)
}

const noon = entry.Instant(12 * time.Hour)

var (
	errStub    = errors.New("stub")
	errNothing = errors.New("a call for nothing") // or for a key that is none
	noText     = math.NaN()
)

// wantValue wants an entry of that value; none where it is below zero.
func wantValue(t *testing.T, s *storage.Shared[float64, float64], key, want float64) {
	t.Helper()
	e, err := s.Get(t.Context(), key)
	if err != nil || (e == nil) != (want < 0) || e != nil && e.Value != want {
		t.Errorf("the entry of %v is %v, %v; want %v", key, e, err, want)
	}
}

// A part of a store has its keys under its prefix, name and schema, and what it
// can do besides is what the store can.
func TestSharedAbilities(t *testing.T) {
	s, f := shareFloats(t, noon)
	a := s.Abilities()
	if a.BulkReader == nil || a.Bulk == nil || a.Fenced == nil || a.Clearer == nil || !a.Prompt {
		t.Fatalf("it can do %+v, want everything", a)
	}
	plain, err := storage.Share(struct{ storage.Bytes }{f})
	if err != nil {
		t.Fatal(err)
	}
	none, err := storage.NewPart[float64, float64](plain, nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	if a := none.Abilities(); a != (storage.Abilities[float64, float64]{}) {
		t.Errorf("over a store that can do nothing besides: %+v", a)
	}
	if got, want := s.String(), "Shared[Memory]"; got != want {
		t.Errorf("it is called %q, want %q", got, want)
	}

	ctx := t.Context()
	if err := s.Offer(ctx, 1, at(noon, 10)); err != nil {
		t.Fatal(err)
	}
	if text, err := s.KeyText(1); err != nil || text != "x:f:3:1" || !finds(t, f, text) {
		t.Errorf("the key is %q, %v", text, err)
	}
	wantValue(t, s, 1, 10)
	if err := a.Bulk.OfferMany(ctx, []float64{2, 3}, []*entry.Entry[float64]{at(noon, 20), at(noon, 30)}); err != nil {
		t.Fatal(err)
	}
	got, err := a.BulkReader.GetMany(ctx, []float64{3, 4, 1, 2})
	if err != nil || len(got) != 4 || got[0].Value != 30 || got[1] != nil || got[2].Value != 10 || got[3].Value != 20 {
		t.Errorf("GetMany: %v, %v", got, err)
	}
	if err := a.Bulk.ReleaseMany(ctx, []float64{2, 4}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, s, 2, -1)
	claims, err := a.Fenced.Claim(ctx, time.Hour, 2, 3)
	if err != nil || len(claims) != 2 || claims[0].Entry != nil || claims[1].Entry.Value != 30 {
		t.Fatalf("Claim: %+v, %v", claims, err)
	}
	if err := s.Release(ctx, 3); err != nil {
		t.Fatal(err)
	}
	stored, err := a.Fenced.Fill(ctx, storage.Fill[float64, float64]{Key: 3, Entry: at(noon, 31), Token: claims[1].Token}, storage.Fill[float64, float64]{Key: 2, Entry: at(noon, 21), Token: claims[0].Token})
	if err != nil || !slices.Equal(stored, []bool{false, true}) {
		t.Errorf("Fill: %v, %v; want only the second stored, for the first was released", stored, err)
	}
	wantValue(t, s, 2, 21)
	wantValue(t, s, 3, -1)
	if claims, err = a.Swapper.Claim(ctx, time.Hour, 2, 3); err != nil {
		t.Fatal(err)
	}
	if err := s.Offer(ctx, 3, at(noon, 32)); err != nil {
		t.Fatal(err)
	}
	for i, key := range []float64{2, 3} { // one was stored meanwhile, where there was none
		if swapped, err := a.Swapper.CompareAndSwap(ctx, key, claims[i], at(noon, key+0.5)); err != nil || swapped != (key == 2) {
			t.Errorf("CompareAndSwap of %v: %v, %v", key, swapped, err)
		}
	}
	wantValue(t, s, 2, 2.5)
	wantValue(t, s, 3, 32)
	setKeys(t, f, "x:f:4:1")
	if err := a.Clearer.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	wantValue(t, s, 1, -1)
	if !finds(t, f, "x:f:4:1") {
		t.Error("it clears what is another's")
	}
}

// One key that has no text keeps no other from being read and written, and is no
// call where it is alone.
func TestSharedKeysWithoutText(t *testing.T) {
	s, f := shareFloats(t, noon)
	a, ctx := s.Abilities(), t.Context()
	errs := map[string]error{}
	_, errs["Get"] = s.Get(ctx, noText)
	errs["Offer"] = s.Offer(ctx, noText, at(noon, 1))
	errs["Release"] = s.Release(ctx, noText)
	_, errs["GetMany of it"] = a.BulkReader.GetMany(ctx, []float64{noText})
	errs["OfferMany of it"] = a.Bulk.OfferMany(ctx, []float64{noText}, []*entry.Entry[float64]{at(noon, 1)})
	errs["ReleaseMany of it"] = a.Bulk.ReleaseMany(ctx, []float64{noText})
	_, errs["Claim of it"] = a.Fenced.Claim(ctx, time.Hour, noText)
	_, errs["Fill of it"] = a.Fenced.Fill(ctx, storage.Fill[float64, float64]{Key: noText, Entry: at(noon, 1)})
	_, errs["CompareAndSwap of it"] = a.Swapper.CompareAndSwap(ctx, noText, storage.Claim[float64]{}, at(noon, 1))
	for call, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "NaN") || errors.Is(err, errNothing) {
			t.Errorf("%s says %v, want that NaN has no text", call, err)
		}
	}
	if n, _ := f.Held(); n != 0 {
		t.Errorf("%d records are stored", n)
	}
	if got, _ := a.BulkReader.GetMany(ctx, []float64{noText}); len(got) != 1 || got[0] != nil {
		t.Errorf("GetMany of it returns %v, want one that is nil", got)
	}

	keys := []float64{noText, 1, 2}
	err := a.Bulk.OfferMany(ctx, keys, []*entry.Entry[float64]{at(noon, 0), at(noon, 10), at(noon, noText)})
	if storage.FaultOf(err, 0) == nil || storage.FaultOf(err, 1) != nil || !errors.Is(storage.FaultOf(err, 2), serde.ErrValue) {
		t.Errorf("OfferMany says %v; want faults of the first, which has no text, and the third, whose value can't be written", err)
	}
	wantValue(t, s, 1, 10)
	got, err := a.BulkReader.GetMany(ctx, keys)
	if err == nil || errors.Is(err, errNothing) || len(got) != 3 || got[0] != nil || got[1] == nil || got[1].Value != 10 {
		t.Errorf("GetMany: %v, %v", got, err)
	}
	claims, err := a.Fenced.Claim(ctx, time.Hour, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := a.Fenced.Fill(ctx, storage.Fill[float64, float64]{Key: noText, Entry: at(noon, 0)}, storage.Fill[float64, float64]{Key: 1, Entry: at(noon, 11), Token: claims[0].Token})
	if !slices.Equal(stored, []bool{false, true}) || storage.FaultOf(err, 0) == nil || storage.FaultOf(err, 1) != nil {
		t.Errorf("Fill: %v, %v", stored, err)
	}
	if err := a.Bulk.ReleaseMany(ctx, keys); err == nil || errors.Is(err, errNothing) {
		t.Error("ReleaseMany says nothing of the key without a text")
	}
	wantValue(t, s, 1, -1)
}

// The store's faults are returned, each of the item that it is of.
func TestSharedReturnsFaults(t *testing.T) {
	s, f := shareFloats(t, noon)
	a, ctx := s.Abilities(), t.Context()
	f.fault = errStub
	errs := map[string]error{}
	_, errs["Get"] = s.Get(ctx, 1)
	errs["Offer"] = s.Offer(ctx, 1, at(noon, 1))
	errs["Release"] = s.Release(ctx, 1)
	_, errs["GetMany"] = a.BulkReader.GetMany(ctx, []float64{1})
	errs["OfferMany"] = a.Bulk.OfferMany(ctx, []float64{1}, []*entry.Entry[float64]{at(noon, 1)})
	errs["ReleaseMany"] = a.Bulk.ReleaseMany(ctx, []float64{1})
	_, errs["Claim"] = a.Fenced.Claim(ctx, time.Hour, 1)
	_, errs["Fill"] = a.Fenced.Fill(ctx, storage.Fill[float64, float64]{Key: 1, Entry: at(noon, 1)})
	_, errs["CompareAndSwap"] = a.Swapper.CompareAndSwap(ctx, 1, storage.Claim[float64]{}, at(noon, 1))
	errs["Clear"] = a.Clearer.Clear(ctx)
	for call, err := range errs {
		if !errors.Is(err, errStub) {
			t.Errorf("%s returns %v", call, err)
		}
	}
	if err := a.Bulk.OfferMany(ctx, []float64{1, 2}, []*entry.Entry[float64]{at(noon, 1), at(noon, 2)}); storage.FaultOf(err, 0) != errStub || storage.FaultOf(err, 1) != errStub || err.Error() != "stub" {
		t.Errorf("a fault of all is told as %v", err)
	}
	if err := a.Bulk.OfferMany(ctx, []float64{1, 2}, nil); err == nil || !strings.Contains(err.Error(), "2 keys and 0 entries") {
		t.Errorf("of two keys and no entry it says %v", err)
	}
	f.fault = &storage.ItemError{Item: 1, Err: errStub} // of those that it is given
	err := a.Bulk.OfferMany(ctx, []float64{noText, 1, 2}, []*entry.Entry[float64]{at(noon, 0), at(noon, 1), at(noon, 2)})
	if storage.FaultOf(err, 1) != nil || storage.FaultOf(err, 2) != errStub {
		t.Errorf("OfferMany says %v, want the fault of the third", err)
	}
	_, err = a.Fenced.Fill(ctx, storage.Fill[float64, float64]{Key: noText, Entry: at(noon, 0)}, storage.Fill[float64, float64]{Key: 1, Entry: at(noon, 1)}, storage.Fill[float64, float64]{Key: 2, Entry: at(noon, 2)})
	if storage.FaultOf(err, 1) != nil || storage.FaultOf(err, 2) != errStub {
		t.Errorf("Fill says %v, want the fault of the third", err)
	}
	f.fault = nil
	if claims, err := a.Fenced.Claim(ctx, time.Hour); err != nil || len(claims) != 0 {
		t.Errorf("a claim of nothing: %v, %v", claims, err)
	}
}

// What can't be read is an error that says so, and keeps no other from being read.
func TestSharedUnreadable(t *testing.T) {
	s, f := shareFloats(t, noon)
	a, ctx := s.Abilities(), t.Context()
	if err := s.Offer(ctx, 2, at(noon, 20)); err != nil {
		t.Fatal(err)
	}
	setKeys(t, f, "x:f:3:1")
	if e, err := s.Get(ctx, 1); e != nil || !errors.Is(err, storage.ErrUnreadable) || !strings.Contains(err.Error(), "x:f:3:1") {
		t.Errorf("Get: %v, %v", e, err)
	}
	got, err := a.BulkReader.GetMany(ctx, []float64{1, 2})
	if !errors.Is(err, storage.ErrUnreadable) || got[0] != nil || got[1] == nil || got[1].Value != 20 {
		t.Errorf("GetMany: %v, %v", got, err)
	}
	claims, err := a.Fenced.Claim(ctx, time.Hour, 1, 2)
	if err != nil || !errors.Is(claims[0].Err, storage.ErrUnreadable) || claims[1].Err != nil {
		t.Fatalf("Claim: %+v, %v", claims, err)
	}
	if stored, err := a.Fenced.Fill(ctx, storage.Fill[float64, float64]{Key: 1, Entry: at(noon, 10), Token: claims[0].Token}); err != nil || !stored[0] {
		t.Errorf("its claim is no good: %v, %v", stored, err)
	}
	setKeys(t, f, "x:f:3:1")
	if claims, err = a.Swapper.Claim(ctx, time.Hour, 1); err != nil {
		t.Fatal(err)
	}
	if swapped, err := a.Swapper.CompareAndSwap(ctx, 1, claims[0], at(noon, 11)); err != nil || !swapped {
		t.Errorf("it can't be swapped: %v, %v", swapped, err)
	}
}

// An entry's life is what the store says is left, never more than it has in all;
// where the store can't say, or there is no end, what was written.
func TestSharedLives(t *testing.T) {
	s, f := shareFloats(t, noon)
	unending := entry.Restore(1.0, noon, noon, entry.Never)
	for name, c := range map[string]struct {
		stored  *entry.Entry[float64]
		left    time.Duration
		expires entry.Instant
	}{
		"less than was written":    {at(noon, 1), time.Hour, noon.Add(time.Hour)},
		"a moment":                 {at(noon, 1), 1, noon + 1},
		"more than the whole life": {at(noon, 1), 4 * time.Hour, noon.Add(3 * time.Hour)},
		"the store can't say":      {at(noon, 1), -1, noon.Add(2 * time.Hour)},
		"the record has no end":    {at(noon, 1), storage.Forever, noon.Add(2 * time.Hour)},
		"the entry has no end":     {unending, time.Hour, entry.Never},
	} {
		f.left = c.left
		if err := s.Offer(t.Context(), 1, c.stored); err != nil {
			t.Fatal(err)
		}
		e, err := s.Get(t.Context(), 1)
		if err != nil || e.ExpiresAfter() != c.expires || e.ExpiresAfter() != entry.Never && e.ExpiresAfter().Sub(e.Created()) != 3*time.Hour || e.UpdateAfter().Sub(e.Created()) != c.stored.UpdateAfter().Sub(c.stored.Created()) {
			t.Errorf("%s: it is created at %d and expires at %d, %v; want %d", name, e.Created(), e.ExpiresAfter(), err, c.expires)
		}
	}
	if err := s.Offer(t.Context(), 2, unending); err != nil {
		t.Fatal(err)
	}
	if err := s.Offer(t.Context(), 2, at(noon, 1)); err != nil {
		t.Fatal(err)
	}
	if got, want := f.keeps[len(f.keeps)-2:], []time.Duration{storage.Forever, 2 * time.Hour}; !slices.Equal(got, want) {
		t.Errorf("the store is to keep them for %v, want %v", got, want)
	}
}

// Without a clock of a function's, it lives on the wall's.
func TestSharedLivesOnTheWallClock(t *testing.T) {
	f := &faulty{Memory: newMemory(t)}
	s := newShared(t, f, "f")
	if err := s.Offer(t.Context(), "key", number(1)); err != nil {
		t.Fatal(err)
	}
	if keep := f.keeps[0]; keep < 59*time.Minute || keep > time.Hour {
		t.Errorf("it is to be kept for %v, want an hour", keep)
	}
}

// Keys that are longer than the store allows are hashed, and no others.
func TestSharedHashesLongKeys(t *testing.T) {
	for _, c := range []struct {
		most   int
		key    string
		hashed bool
	}{{0, "a long key", false}, {len(`f:0:"12345"`), "12345", false}, {len(`f:0:"12345"`), "123456", true}, {1, "", true}} {
		s := newShared(t, &faulty{Memory: newMemory(t), most: c.most}, "f")
		sum := sha256.Sum256([]byte(`"` + c.key + `"`))
		want := `f:0:"` + c.key + `"`
		if c.hashed {
			want = "f:0:#" + hex.EncodeToString(sum[:16])
		}
		if got, err := s.KeyText(c.key); err != nil || got != want {
			t.Errorf("with %d bytes at most %q is %q, %v; want %q", c.most, c.key, got, err, want)
		}
	}
}

// A part of a store is one function's until it has given it back as often as it
// took it.
func TestSharedIsOneFunctions(t *testing.T) {
	store, err := storage.Share(newMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	part := func() *storage.Shared[string, int] {
		s, err := storage.NewPart[string, int](store, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := new(int), new(int)
	first, again, second := part(), part(), part()
	bind := func(s *storage.Shared[string, int], by any, refused bool) {
		t.Helper()
		if err := s.BindFor("f", by); (err != nil) != refused || refused && !strings.Contains(err.Error(), `another function called "f"`) {
			t.Errorf("BindFor says %v; want it refused: %v", err, refused)
		}
	}
	bind(first, one, false)
	bind(again, one, false)
	bind(second, two, true)
	first.Unbind()
	bind(second, two, true)
	again.Unbind()
	again.Unbind() // once too often does nothing
	bind(second, two, false)
	bind(first, one, true)
	if err := part().Bind("f"); err == nil {
		t.Error("Bind takes a part that another has")
	}
	second.Unbind()
	bind(first, one, false)
}

func TestNewSharedRefuses(t *testing.T) {
	store, err := storage.Share(newMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	wants := func(what, want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	_, err = storage.NewShared[string, int](nil, nil, 0)
	wants("no store", "the Store is nil", err)
	_, err = storage.NewShared[*int, int](store, nil, 0)
	wants("keys without a text", "keys of type *int can't be shared", err)
	_, err = storage.NewShared[string, chan int](store, nil, 0)
	wants("values that can't be written", "can't keep values of type chan int", err)
	_, err = storage.Share(nil)
	wants("no bytes", "Share is given nil", err)
	_, err = storage.Share(newMemory(t), storage.Format("none"))
	wants("an unknown format", "storage: Share: ", err)
}

// An error is refused once, and keeps its text and what it wraps.
func TestRefused(t *testing.T) {
	if err := storage.Refused(nil); err != nil {
		t.Errorf("no error becomes %v", err)
	}
	err := storage.Refused(errStub)
	if !errors.Is(err, storage.ErrRefused) || !errors.Is(err, errStub) || err.Error() != errStub.Error() {
		t.Errorf("it becomes %v", err)
	}
	if again := storage.Refused(err); again != err {
		t.Errorf("the second time it becomes %#v", again)
	}
}
