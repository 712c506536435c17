package storage_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
)

var extremeTimes = []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 2, 1, 0, -1, math.MinInt64 + 1, math.MinInt64}

// A Memory keeps records for any time, by a clock that shows any.
func TestMemoryExtremeTimes(t *testing.T) {
	ctx := t.Context()
	for _, at := range []time.Time{time.Unix(0, 0), time.Now(), time.Unix(0, math.MaxInt64-1), time.Unix(0, math.MinInt64), {}} {
		for _, further := range []time.Duration{0, -1, -time.Hour, math.MinInt64} {
			mock := clock.NewMock()
			mock.Set(at)
			m := storage.NewMemory(storage.MemoryClock(mock))
			mock.Set(at.Add(further)) // back
			for _, d := range extremeTimes {
				t.Run(fmt.Sprintf("%v%v/%d", at.UTC(), further, d), func(t *testing.T) {
					if err := m.Set(ctx, "key", []byte("value"), d); err != nil {
						t.Fatal(err)
					}
					if r, err := m.Get(ctx, "key"); r.Found != (d > 0) || r.Found && r.Left < d || err != nil {
						t.Errorf("Get: %+v, %v", r, err)
					}
					_ = m.Set(ctx, "key", []byte("value"), time.Hour)
					if touched, err := m.Touch(ctx, d, "key"); !touched[0] || err != nil {
						t.Errorf("Touch: %v, %v", touched, err)
					}
					claims, err := m.Claim(ctx, d, "claimed")
					if err != nil {
						t.Fatal(err)
					}
					stored, err := m.Fill(ctx, storage.Filling{Item: storage.Item{Key: "claimed", Value: []byte("value"), Keep: time.Hour}, Token: claims[0].Token})
					if stored[0] != (d > 0) || err != nil {
						t.Errorf("Fill: %v, %v", stored, err)
					}
				})
			}
			_ = m.Close()
		}
	}
}

// Whatever instants a record has, it lives no longer than the store keeps it, and is
// no younger than it says.
func TestSharedExtremeInstants(t *testing.T) {
	ctx := t.Context()
	memory := storage.NewMemory()
	defer func() { _ = memory.Close() }()
	store, err := storage.Share(memory)
	if err != nil {
		t.Fatal(err)
	}
	sd := serde.EntryJSON[int]()
	s, err := storage.NewPart[string, int](store, sd, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind("extremes"); err != nil {
		t.Fatal(err)
	}
	now := entry.At(time.Now())
	s.SetClock(func() entry.Instant { return now })
	text, err := s.KeyText("key")
	if err != nil {
		t.Fatal(err)
	}
	instants := []entry.Instant{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, now, entry.Never - 1, entry.Never}
	for _, created := range instants {
		for _, update := range instants {
			for _, expire := range instants {
				record, err := sd.Serialize(entry.Restore(1, created, update, expire))
				if err != nil {
					t.Fatal(err)
				}
				if err := memory.Set(ctx, text, record, time.Hour); err != nil {
					t.Fatal(err)
				}
				e, err := s.Get(ctx, "key")
				if err != nil || e == nil {
					t.Fatalf("%d, %d, %d: %+v, %v", created, update, expire, e, err)
				}
				was := fmt.Sprintf("%d, %d, %d became %d, %d, %d", created, update, expire, e.Created(), e.UpdateAfter(), e.ExpiresAfter())
				if expire == entry.Never {
					continue // it is as it was written
				}
				if e.ExpiresAfter() > now.Add(time.Hour) {
					t.Errorf("%s: it lives longer than the store keeps it", was)
				}
				if (created < expire) != (e.Created() < e.ExpiresAfter()) || (update < expire) != (e.UpdateAfter() < e.ExpiresAfter()) {
					t.Errorf("%s: the order is another", was)
				}
				if err := s.Offer(ctx, "key", e); err != nil {
					t.Errorf("%s: %v", was, err)
				}
			}
		}
	}
}
