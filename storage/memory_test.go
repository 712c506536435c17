package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
)

func newMemory(t *testing.T, opts ...storage.MemoryOption) *storage.Memory {
	m := storage.NewMemory(opts...)
	t.Cleanup(func() {
		if err := m.Sound(); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// room is a capacity for so many records of one byte under keys of one.
func room(records int) storage.MemoryOption {
	return storage.MemoryCapacity(records * (storage.RecordCost + 2))
}

func setKeys(t *testing.T, b storage.Bytes, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := b.Set(t.Context(), key, []byte("v"), storage.Forever); err != nil {
			t.Fatal(err)
		}
	}
}

func finds(t *testing.T, b storage.Bytes, key string) bool {
	t.Helper()
	r, err := b.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return r.Found
}

// heldKeys is the keys of one letter that there are. It marks nothing as used.
func heldKeys(t *testing.T, m *storage.Memory) string {
	t.Helper()
	all := ""
	for c := 'a'; c <= 'z'; c++ {
		for key, err := range m.Keys(t.Context(), string(c)) {
			if err != nil {
				t.Fatal(err)
			}
			if key == string(c) {
				all += key
			}
		}
	}
	return all
}

func wantHolds(t *testing.T, m *storage.Memory, want string) {
	t.Helper()
	if got := heldKeys(t, m); got != want {
		t.Fatalf("it holds %q, want %q", got, want)
	}
}

// The tests whose names begin with a seed's are what its tests assert.

func TestCachetory11ExpireAt(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC))
	m := newMemory(t, storage.MemoryClock(mock))
	setKeys(t, m, "a", "b", "c")
	expire := func(key string, at time.Time, want bool) {
		t.Helper()
		if was, err := m.ExpireAt(t.Context(), key, at); err != nil || was != want {
			t.Errorf("ExpireAt of %s says %v, %v; want %v", key, was, err, want)
		}
	}
	expire("a", mock.Now().Add(100*time.Millisecond), true)
	expire("b", mock.Now().Add(-10*time.Second), true)
	expire("c", mock.Now().Add(100*time.Millisecond), true)
	expire("c", time.Time{}, true)
	expire("d", mock.Now().Add(time.Hour), false)
	wantHolds(t, m, "ac")
	mock.Add(100 * time.Millisecond)
	wantHolds(t, m, "c")
	expire("a", mock.Now().Add(time.Hour), false)
}

func TestRing11LeastRecentlyUsedGoes(t *testing.T) {
	m := newMemory(t, room(2))
	setKeys(t, m, "a", "b")
	finds(t, m, "a")
	setKeys(t, m, "c")
	wantHolds(t, m, "ac")
}

func TestRing12OfThree(t *testing.T) {
	m := newMemory(t, room(3))
	setKeys(t, m, "a", "b", "c")
	finds(t, m, "a")
	setKeys(t, m, "d")
	wantHolds(t, m, "acd")
	if _, err := m.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	wantHolds(t, m, "ad")
	if err := m.Clear(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	wantHolds(t, m, "")
}

func TestRing13OfThreeThatExpire(t *testing.T) {
	mock := clock.NewMock()
	m := newMemory(t, room(3), storage.MemoryClock(mock))
	for i, key := range []string{"a", "b", "c"} {
		if err := m.Set(t.Context(), key, []byte("v"), time.Duration(i+1)*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	mock.Add(time.Second)
	wantHolds(t, m, "bc")
	setKeys(t, m, "d") // takes the room of a, which is over
	wantHolds(t, m, "bcd")
	finds(t, m, "b")
	setKeys(t, m, "e")
	wantHolds(t, m, "bde")
}

func TestRing14OfOne(t *testing.T) {
	m := newMemory(t, room(1))
	for range 2 {
		setKeys(t, m, "a", "b")
		wantHolds(t, m, "b")
		if err := m.Clear(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemoryTellsUseFromWriting(t *testing.T) {
	for name, use := range map[string]func(m *storage.Memory) error{
		"Get":     func(m *storage.Memory) error { _, err := m.Get(t.Context(), "a"); return err },
		"GetMany": func(m *storage.Memory) error { _, err := m.GetMany(t.Context(), []string{"a"}); return err },
		"Touch":   func(m *storage.Memory) error { _, err := m.Touch(t.Context(), time.Hour, "a"); return err },
		"Set":     func(m *storage.Memory) error { return m.Set(t.Context(), "a", []byte("w"), time.Hour) },
		"Claim":   func(m *storage.Memory) error { _, err := m.Claim(t.Context(), time.Hour, "a"); return err },
	} {
		m := newMemory(t, room(3))
		setKeys(t, m, "a", "b", "c")
		if err := use(m); err != nil {
			t.Fatal(err)
		}
		setKeys(t, m, "d")
		if got := heldKeys(t, m); got != "acd" {
			t.Errorf("after a %s of a it holds %q, want acd", name, got)
		}
	}
}

func TestMemoryPutsOutWhatIsOverFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, room(3))
		for key, keep := range map[string]time.Duration{"x": time.Second, "b": 1100 * time.Millisecond} {
			if err := m.Set(t.Context(), key, []byte("v"), keep); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // x is swept, and no sweep comes for a second
		synctest.Wait()
		setKeys(t, m, "a")
		finds(t, m, "b")
		setKeys(t, m, "c")
		time.Sleep(200 * time.Millisecond)
		if n, _ := m.Held(); n != 3 {
			t.Fatalf("it holds %d, want 3, one of which is over", n)
		}
		setKeys(t, m, "d")
		wantHolds(t, m, "acd")
	})
}

// What is written is not put out for it, though all others were used.
func TestMemoryKeepsWhatIsWritten(t *testing.T) {
	m := newMemory(t, room(2))
	setKeys(t, m, "a", "b")
	finds(t, m, "a")
	finds(t, m, "b")
	setKeys(t, m, "c")
	wantHolds(t, m, "bc")
}

// Where everything was used, a write spares a hundred records and not all.
func TestMemorySparesSoMany(t *testing.T) {
	const n = 500
	m := newMemory(t, storage.MemoryCapacity(n*(storage.RecordCost+4)))
	key := func(i int) string { return fmt.Sprintf("%03d", i) }
	for i := range n {
		setKeys(t, m, key(i))
	}
	for i := range n {
		finds(t, m, key(i))
	}
	setKeys(t, m, key(n))
	for i := range n + 1 {
		if finds(t, m, key(i)) == (i == 100) {
			t.Errorf("%d is there %v", i, i != 100)
		}
	}
}

// Whatever is used, a write puts something out and is done.
func TestMemoryPutsOutWhatIsUsedToo(t *testing.T) {
	const n = 1000
	m := newMemory(t, storage.MemoryCapacity(n*(storage.RecordCost+5)))
	for i := range 2 * n {
		setKeys(t, m, fmt.Sprintf("%04d", i))
		for key := range m.Keys(t.Context(), fmt.Sprintf("%03d", i/20)) {
			finds(t, m, key)
		}
	}
	if n, _ := m.Held(); n < 990 || n > 1000 {
		t.Errorf("it holds %d, want 1000 or nearly", n)
	}
	if !finds(t, m, fmt.Sprintf("%04d", 2*n-1)) {
		t.Error("what was written last is put out")
	}
}

func TestMemoryRefusesWhatNeverFits(t *testing.T) {
	m := newMemory(t, storage.MemoryCapacity(1000))
	setKeys(t, m, "a")
	large := []byte(strings.Repeat("x", 1000))
	item := storage.Item{Key: "a", Value: large, Keep: time.Hour}
	refused := func(call string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "1000") || !strings.Contains(err.Error(), "capacity") {
			t.Errorf("%s says %v", call, err)
		}
	}
	refused("Set", m.Set(t.Context(), "a", large, time.Hour))
	_, err := m.Add(t.Context(), "b", large, time.Hour)
	refused("Add", err)
	refused("SetMany", m.SetMany(t.Context(), []storage.Item{item, {Key: "c", Value: []byte("v"), Keep: time.Hour}}))
	claims, err := m.Claim(t.Context(), time.Hour, "a", "d")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := m.Fill(t.Context(), storage.Filling{Item: item, Token: claims[0].Token},
		storage.Filling{Item: storage.Item{Key: "d", Value: []byte("v"), Keep: time.Hour}, Token: claims[1].Token})
	refused("Fill", err)
	if len(stored) != 2 || stored[0] || !stored[1] {
		t.Errorf("Fill says %v, want false and true", stored)
	}
	_, err = m.CompareAndSwap(t.Context(), claims[0], item)
	refused("CompareAndSwap", err)
	wantHolds(t, m, "acd") // a as it was
	if r, err := m.Get(t.Context(), "a"); err != nil || string(r.Value) != "v" {
		t.Errorf("it has %q, %v; want what was there", r.Value, err)
	}
	if err := m.Set(t.Context(), "a", large, 0); err != nil { // which deletes
		t.Error(err)
	}
	wantHolds(t, m, "cd")
}

// What puts records out never lets a fill through that a delete refuses, and the
// inner state is sound after every step.
func TestMemoryIsSoundWhateverComes(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	mock := clock.NewMock()
	m := newMemory(t, storage.MemoryClock(mock), storage.MemoryCapacity(10*storage.RecordCost))
	type claim struct {
		key, token string
		good       bool
	}
	var claims []claim
	seen := map[string]string{} // versions
	made := 0
	spoil := func(key string) {
		for i := range claims {
			claims[i].good = claims[i].good && claims[i].key != key
		}
	}
	for step := range 5000 {
		key := fmt.Sprint(rng.IntN(20))
		value := make([]byte, rng.IntN(300))
		keep := time.Duration(rng.IntN(4)) * time.Second
		if rng.IntN(4) == 0 {
			keep = storage.Forever
		}
		var err error
		switch rng.IntN(12) {
		case 0, 1:
			err = m.Set(t.Context(), key, value, keep)
			spoil(key)
		case 2:
			_, err = m.Delete(t.Context(), key)
			spoil(key)
		case 3:
			_, err = m.Get(t.Context(), key)
		case 4:
			_, err = m.Touch(t.Context(), keep+1, key)
		case 5, 6:
			var got []storage.Claimed
			if got, err = m.Claim(t.Context(), keep, key); err == nil {
				claims = append(claims, claim{key, got[0].Token, true})
			}
		case 7:
			if len(claims) == 0 {
				continue
			}
			c := claims[rng.IntN(len(claims))]
			var stored []bool
			stored, err = m.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: c.key, Value: value, Keep: keep}, Token: c.token})
			if err == nil && stored[0] && !c.good {
				t.Fatalf("seed %d, step %d: a fill of %s is stored after it was set or deleted", seed, step, c.key)
			}
		case 8:
			mock.Add(time.Duration(rng.IntN(3)) * 500 * time.Millisecond)
		case 9:
			var found []storage.Versioned
			if found, err = m.Look(t.Context(), key); err == nil {
				seen[key] = found[0].Version
			}
		case 10:
			made++
			var swapped []bool
			swapped, err = m.Swap(t.Context(), storage.Change{Item: storage.Item{Key: key, Value: value, Keep: keep}, Was: seen[key], Becomes: fmt.Sprint("version ", made)})
			if err == nil && swapped[0] {
				spoil(key)
			}
		case 11:
			mock.Add(storage.VersionsKept)
		}
		if err == nil {
			err = m.Sound()
		}
		if err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
	}
}

func TestMemoryClose(t *testing.T) {
	m := newMemory(t)
	if err := m.Set(t.Context(), "a", nil, time.Hour); err != nil || !m.Armed() {
		t.Fatal(err, m.Armed())
	}
	if _, err := m.Look(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, size := m.Held(); n != 0 || size != 0 || m.Armed() || m.Len() != 0 {
		t.Errorf("it holds %d records of %d bytes, armed %v", n, size, m.Armed())
	}
	for call, err := range everyCall(t, m) {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("%s returns %v, want ErrClosed", call, err)
		}
	}
}

// everyCall is the errors of all that a Memory can do.
func everyCall(t *testing.T, m *storage.Memory) map[string]error {
	ctx, errs := t.Context(), map[string]error{}
	_, errs["Get"] = m.Get(ctx, "a")
	errs["Set"] = m.Set(ctx, "a", nil, time.Hour)
	_, errs["Delete"] = m.Delete(ctx, "a")
	_, errs["Add"] = m.Add(ctx, "a", nil, time.Hour)
	_, errs["Touch"] = m.Touch(ctx, time.Hour, "a")
	_, errs["ExpireAt"] = m.ExpireAt(ctx, "a", time.Now())
	_, errs["GetMany"] = m.GetMany(ctx, []string{"a"})
	errs["SetMany"] = m.SetMany(ctx, []storage.Item{{Key: "a"}})
	_, errs["DeleteMany"] = m.DeleteMany(ctx, []string{"a"})
	for _, err := range m.Keys(ctx, "") {
		errs["Keys"] = err
	}
	errs["Clear"] = m.Clear(ctx, "")
	_, errs["Claim"] = m.Claim(ctx, time.Hour, "a")
	_, errs["Fill"] = m.Fill(ctx, storage.Filling{})
	_, errs["CompareAndSwap"] = m.CompareAndSwap(ctx, storage.Claimed{}, storage.Item{})
	_, errs["Look"] = m.Look(ctx, "a")
	_, errs["Swap"] = m.Swap(ctx, storage.Change{})
	errs["Watch"] = m.Watch(ctx, "", func(storage.Changed) {})
	return errs
}

// A capacity of one byte is one, and nothing fits; what is to be deleted needs no
// room, and anything else does, however short its time.
func TestMemoryOfOneByte(t *testing.T) {
	m := newMemory(t, storage.MemoryCapacity(1))
	for keep, refused := range map[time.Duration]bool{time.Hour: true, 1: true, 0: false, -1: false} {
		if err := m.Set(t.Context(), "a", nil, keep); errors.Is(err, storage.ErrRefused) != refused {
			t.Errorf("Set for %v says %v; want it refused: %v", keep, err, refused)
		}
	}
	if got := m.String(); got != "Memory" {
		t.Errorf("it calls itself %q", got)
	}
}

// A write that ends sooner than all before it arms the timer anew, and makes none.
func TestMemoryMakesOneTimer(t *testing.T) {
	m := newMemory(t)
	keep := 1000 * time.Hour
	if n := testing.AllocsPerRun(100, func() { keep -= time.Hour; _ = m.Set(t.Context(), "a", nil, keep) }); n > 0 {
		t.Errorf("a Set allocates %v times", n)
	}
}

// What is dropped takes no memory any more.
func TestMemoryLetsGo(t *testing.T) {
	const large = 32 << 20
	m := newMemory(t)
	held := func() int64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := held()
	if err := m.Set(t.Context(), "a", make([]byte, large), time.Hour); err != nil {
		t.Fatal(err)
	}
	if now := held(); now < before+large/2 {
		t.Fatalf("a record of %d bytes takes %d", large, now-before)
	}
	if _, err := m.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if now := held(); now > before+large/2 {
		t.Errorf("%d bytes are held after it was deleted", now-before)
	}
	runtime.KeepAlive(m)
}

// A fill with no time left takes no memory, even while its claim is good.
func TestMemoryKeepsNoFillWithoutTime(t *testing.T) {
	m := newMemory(t)
	claims, err := m.Claim(t.Context(), time.Hour, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "a", Value: make([]byte, 1000)}, Token: claims[0].Token}); err != nil {
		t.Fatal(err)
	}
	if n, size := m.Held(); n != 1 || size != storage.RecordCost+1 {
		t.Errorf("it holds %d records of %d bytes, want the claim alone", n, size)
	}
}

func TestMemoryGetCopiesOnce(t *testing.T) {
	m := newMemory(t)
	setKeys(t, m, "a")
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Get(ctx, "a") }); n > 1 {
		t.Errorf("a Get allocates %v times, want once, the copy", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Get(ctx, "b") }); n > 0 {
		t.Errorf("a Get of nothing allocates %v times", n)
	}
	value := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() { _ = m.Set(ctx, "a", value, time.Hour) }); n > 1 {
		t.Errorf("a Set allocates %v times, want once, the copy", n)
	}
}
