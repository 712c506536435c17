package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

// sample is a file with branches, free pages, values of several pages and
// buckets of both kinds.
func sample(t testing.TB) []byte {
	t.Helper()
	s := open(t, "", Options{NoSync: true})
	for i := range 120 {
		keep := storage.Forever
		if i%2 == 0 {
			keep = time.Hour
		}
		set(t, s, fmt.Sprint(strings.Repeat("k", i%50), i), strings.Repeat("v", i*3), keep)
	}
	set(t, s, "large", strings.Repeat("v", 10_000), time.Hour)
	for i := 0; i < 120; i += 3 {
		if _, err := s.Delete(t.Context(), fmt.Sprint(strings.Repeat("k", i%50), i)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return b[:binary.NativeEndian.Uint64(b[latestMeta(b)+56:])*uint64(os.Getpagesize())]
}

// latestMeta is where the meta page is that counts.
func latestMeta(b []byte) int {
	size := os.Getpagesize()
	if binary.NativeEndian.Uint64(b[size+64:]) > binary.NativeEndian.Uint64(b[64:]) {
		return size
	}
	return 0
}

// signMetas gives the meta pages their checksums, so that what they say is
// believed.
func signMetas(b []byte) {
	for _, at := range []int{0, os.Getpagesize()} {
		if len(b) >= at+80 {
			sum := fnv.New64a()
			sum.Write(b[at+16 : at+72])
			binary.NativeEndian.PutUint64(b[at+72:], sum.Sum64())
		}
	}
}

// use does everything with a store whose file may be odd. It must not be found
// damaged: what check lets pass, bbolt can use.
func use(t testing.TB, s *Store) {
	ctx := context.Background()
	ok := func(what string, err error) {
		t.Helper()
		if err != nil && !errors.Is(err, ErrRecord) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	var keys []string
	for key, err := range s.Keys(ctx, "") {
		ok("Keys", err)
		keys = append(keys, key)
	}
	_, err := s.GetMany(ctx, keys)
	ok("GetMany", err)
	var parts [3][]string // so that most pages are written
	for i, key := range keys {
		parts[i%3] = append(parts[i%3], key)
	}
	_, err = s.DeleteMany(ctx, parts[0])
	ok("DeleteMany", err)
	_, err = s.Touch(ctx, time.Minute, parts[1]...)
	ok("Touch", err)
	var items []storage.Item
	for i, key := range parts[2] {
		items = append(items, storage.Item{Key: key, Value: make([]byte, i), Keep: time.Minute})
	}
	for i := range 60 {
		items = append(items, storage.Item{Key: fmt.Sprint("n", i), Value: make([]byte, i), Keep: time.Hour})
	}
	ok("SetMany", s.SetMany(ctx, items))
	ok("Clear", s.Clear(ctx, "n1"))
	ok("Clear", s.Clear(ctx, ""))
	ok("Set", s.Set(ctx, "last", nil, time.Hour))
}

// tryFile opens a file of the contents given, and uses it if it opens.
func tryFile(t testing.TB, b []byte) (damage *DamageError) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), path, Options{NoSync: true, OnDamage: func(e *DamageError) { damage = e }})
	if errors.Is(err, ErrForeign) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	atOpen := damage
	use(t, s)
	if damage != atOpen {
		t.Fatalf("damage was not found by Open, but later: %v", damage)
	}
	return damage
}

func TestDamagedFiles(t *testing.T) {
	b := sample(t)
	if damage := tryFile(t, b); damage != nil {
		t.Fatalf("a good file is called damaged: %v", damage)
	}
	page := os.Getpagesize()
	meta := latestMeta(b)
	root := int(binary.NativeEndian.Uint64(b[meta+32:])) * page
	free := int(binary.NativeEndian.Uint64(b[meta+48:])) * page
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(b)
		f(b)
		signMetas(b)
		return b
	}
	put64 := func(at int, v uint64) []byte {
		return edit(func(b []byte) { binary.NativeEndian.PutUint64(b[at:], v) })
	}
	for _, c := range []struct {
		name    string
		b       []byte
		damaged bool
	}{
		{"empty", nil, false},
		{"cut short by a page", b[:len(b)-page], true},
		{"cut short by a byte", b[:len(b)-1], true},
		{"longer", append(bytes.Clone(b), 1, 2, 3), false},
		{"the first meta page lost", append(make([]byte, page), b[page:]...), false},
		{"the second meta page lost", append(append(bytes.Clone(b[:page]), make([]byte, page)...), b[2*page:]...), false},
		{"both lost", append(make([]byte, 2*page), b[2*page:]...), true},
		{"pages of no size", edit(func(b []byte) { clear(b[24:28]); clear(b[page+24 : page+28]) }), true},
		{"pages of an odd size", edit(func(b []byte) { b[24], b[page+24] = 3, 3 }), true},
		{"a later meta page with pages of another size", edit(func(b []byte) { // the earlier one counts for bbolt in nothing else
			binary.NativeEndian.PutUint64(b[page+64:], binary.NativeEndian.Uint64(b[64:])+1)
			b[page+25] ^= 1
		}), true},
		{"a root outside", put64(meta+32, 1<<40), true},
		{"a root that is a meta page", put64(meta+32, 1), true},
		{"a root that is the list of free pages", put64(meta+32, uint64(free/page)), true},
		{"more pages than there are", put64(meta+56, uint64(len(b)/page)+1), true},
		{"hardly a page", put64(meta+56, 2), true},
		{"a list of free pages outside", put64(meta+48, 1<<50), true},
		{"a list of free pages that is none", put64(meta+48, uint64(root/page)), true},
		{"no list of free pages", put64(meta+48, noFreelist), false},
		{"a used page listed as free", put64(free+pageHeader, uint64(root/page)), true},
		{"a meta page listed as free", put64(free+pageHeader, 0), true},
		{"a page listed as free that does not exist", put64(free+pageHeader, 1<<60), true},
		{"too many free pages", edit(func(b []byte) { b[free+10], b[free+11] = 0xFE, 0xFF }), true},
		{"far too many free pages", edit(func(b []byte) {
			b[free+10], b[free+11] = 0xFF, 0xFF
			binary.NativeEndian.PutUint64(b[free+pageHeader:], 1<<63)
		}), true},
		{"a page with another's number", put64(root, uint64(root/page)+1), true},
		{"a page that is of no kind", edit(func(b []byte) { b[root+8] = 3 }), true},
		{"a page that runs over the end", edit(func(b []byte) { b[root+15] = 0xFF }), true},
		{"more elements than fit", edit(func(b []byte) { b[root+10], b[root+11] = 0xFF, 0xFF }), true},
		{"a key outside", edit(func(b []byte) { b[root+pageHeader+11] = 0x7F }), true},
		{"an empty key", edit(func(b []byte) { clear(b[root+pageHeader+8 : root+pageHeader+12]) }), true},
		{"keys out of order", bytes.ReplaceAll(b, []byte("=large"), []byte("=\x01arge")), true},
		{"a bucket without pages that says it is one", edit(func(b []byte) { b[inline(b, page, root)] = byte(root / page) }), true},
		{"a value of an unknown kind", edit(func(b []byte) { b[root+pageHeader] = 7 }), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			switch damage := tryFile(t, c.b); {
			case c.damaged && damage == nil:
				t.Error("no damage is reported")
			case !c.damaged && damage != nil:
				t.Error(damage)
			case c.damaged:
				if kept, err := os.ReadFile(damage.Aside); err != nil || !bytes.Equal(kept, c.b) {
					t.Errorf("what was set aside is not what was there: %d bytes of %d, %v", len(kept), len(c.b), err)
				}
				if damage.Error() == "" || !errors.Is(damage, errDamaged) {
					t.Errorf("the report is %v", damage)
				}
			}
		})
	}
}

// inline is where the page of a bucket lies that has no pages of its own.
func inline(b []byte, page, root int) int {
	items, err := elements(b[root:root+page], nil, nil, true)
	if err != nil {
		panic(err)
	}
	for _, item := range items {
		if item.flags == 1 && binary.NativeEndian.Uint64(item.value) == 0 {
			return root + bytes.Index(b[root:root+page], item.value) + bucketHeader
		}
	}
	panic("no bucket lies in another's page")
}

// TestEveryPage damages one page after the other in several ways. No harm may
// come of it, and harm to pages in use is found, unless it is to a value.
func TestEveryPage(t *testing.T) {
	b := sample(t)
	page := os.Getpagesize()
	found := 0
	for at := 0; at < len(b); at += page {
		for _, how := range []func(p []byte){
			func(p []byte) { clear(p) },
			func(p []byte) { p[0]++ },                                // the number
			func(p []byte) { p[8] ^= 3 },                             // branch or leaf
			func(p []byte) { p[10]++ },                               // the count
			func(p []byte) { p[12]++ },                               // the overflow
			func(p []byte) { p[pageHeader+4]++ },                     // a position
			func(p []byte) { copy(p, b[2*page:3*page]) },             // another page
			func(p []byte) { copy(p[16:], bytes.Repeat(p[:8], 99)) }, // nonsense
		} {
			damaged := bytes.Clone(b)
			how(damaged[at : at+page])
			if tryFile(t, damaged) != nil {
				found++
			}
		}
	}
	t.Logf("%d pages, damage found %d times", len(b)/page, found)
	if found < len(b)/page {
		t.Error("damage is hardly ever found")
	}
}

// mutate changes a file as data says: places and what is put there. A first
// byte that is odd has the meta pages signed.
func mutate(b, data []byte) []byte {
	b = bytes.Clone(b)
	sign := len(data) > 0 && data[0]&1 == 1
	for data = data[min(1, len(data)):]; len(data) >= 4; data = data[4:] {
		at := int(binary.LittleEndian.Uint16(data))<<4 | int(data[2]&15)
		if data[2]&0x10 != 0 { // most of what matters is at the front of pages
			at = int(binary.LittleEndian.Uint16(data))*os.Getpagesize() + int(data[2]>>5)*8
		}
		b[at%len(b)] ^= data[3]
	}
	if sign {
		signMetas(b)
	}
	return b
}

func FuzzCheck(f *testing.F) {
	b := sample(f)
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0x50, 0xFF})
	f.Add([]byte{0, 5, 0, 0x30, 1, 6, 0, 0x30, 1})
	f.Fuzz(func(t *testing.T, data []byte) { tryFile(t, mutate(b, data)) })
}

func TestRandomDamage(t *testing.T) {
	b := sample(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	found := 0
	const rounds = 100
	for range rounds {
		data := make([]byte, 1+4*(1+r.IntN(4)))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		if tryFile(t, mutate(b, data)) != nil {
			found++
		}
	}
	t.Logf("damage found in %d of %d", found, rounds)
}

// TestCheckAcceptsAllThatBboltWrites has bbolt do what it does to trees of every
// shape.
func TestCheckAcceptsAllThatBboltWrites(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "any.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, PageSize: 1024})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for round := range 200 {
		grow := r.IntN(3)
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte{byte('a' + r.IntN(3))})
			if err != nil {
				return err
			}
			if r.IntN(4) == 0 {
				if b, err = b.CreateBucketIfNotExists([]byte("\xffnested")); err != nil {
					return err
				}
			}
			for range r.IntN(60) {
				key := []byte(fmt.Sprint(strings.Repeat("k", r.IntN(60)), r.IntN(700)))
				if r.IntN(4) < grow {
					if err := b.Put(key, make([]byte, r.IntN(200))); err != nil {
						return err
					}
				} else if err := b.Delete(key); err != nil {
					return err
				}
			}
			if r.IntN(100) == 0 {
				return b.Put([]byte("large"), make([]byte, r.IntN(50_000)))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := check(t.Context(), f); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}
