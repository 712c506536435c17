package memcachedstore

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
)

func TestExpiration(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 999_000_000, time.UTC)
	const day = 24 * time.Hour
	for _, c := range []struct {
		keep time.Duration
		want int64 // 0 for none
	}{
		{1, 2}, // memcached's second may end at once
		{time.Millisecond, 2},
		{999 * time.Millisecond, 2},
		{time.Second, 3},
		{time.Minute, 62},
		{30*day - 2*time.Second, 30 * 86400},
		{30 * day, now.Unix() + 30*86400 + 2}, // from here on a date
		{365 * day, now.Unix() + 365*86400 + 2},
		{10_000 * day, 0}, // after 2038
		{storage.Forever - 1, 0},
		{storage.Forever, 0},
		{-time.Hour, 2},
		{-storage.Forever, 2},
	} {
		if got := expiration(now, after(now, c.keep)); int64(got) != c.want {
			t.Errorf("%v: %d, want %d", c.keep, got, c.want)
		}
	}
}

// FuzzRecord reads what a server may say. What is read is what would be written.
func FuzzRecord(f *testing.F) {
	now := time.Unix(2e9, 0)
	f.Add("key", newRecord(now, []byte("value"), time.Hour).item("key", now).Value)
	f.Add("key", record{end: math.MinInt64, kept: -1}.item("key", now).Value)
	f.Add("other", newRecord(now, nil, storage.Forever).item("key", now).Value)
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		r, err := recordOf(key, b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.item(key, now).Value, b) {
			t.Errorf("%x is read as %+v", b, r)
		}
		if found := r.found(now); found.Found != (found.Left > 0) {
			t.Errorf("%+v is found %v with %v left", r, found.Found, found.Left)
		}
	})
}

// TestForeign changes every byte of a record, and cuts it everywhere.
func TestForeign(t *testing.T) {
	now := time.Unix(2e9, 0)
	good := newRecord(now, []byte("value"), time.Hour).item("key", now).Value
	if _, err := recordOf("key", good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := recordOf("key", bad); err == nil {
			t.Errorf("byte %d can be changed", i)
		}
		if _, err := recordOf("key", good[:i]); err == nil {
			t.Errorf("it can be cut to %d bytes", i)
		}
	}
	if _, err := recordOf("other", good); err == nil {
		t.Error("it is good for another key")
	}
}
