package storage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
)

// Claims of what there is not are bounded as records are.
func TestMemoryBoundsClaims(t *testing.T) {
	const capacity = 100 * (storage.RecordCost + 5)
	m := newMemory(t, storage.MemoryCapacity(capacity))
	var last storage.Claimed
	for i := range 1000 {
		claims, err := m.Claim(t.Context(), time.Hour, fmt.Sprintf("%05d", i))
		if err != nil {
			t.Fatal(err)
		}
		last = claims[0]
	}
	if n, size := m.Held(); n != 100 || size != capacity {
		t.Errorf("it holds %d claims of %d bytes, want 100 of %d", n, size, capacity)
	}
	stored, err := m.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "00999", Keep: time.Hour}, Token: last.Token})
	if err != nil || !stored[0] {
		t.Errorf("the last claim is filled: %v, %v", stored, err)
	}
	keys := make([]string, 1000) // more than fit, at once
	for i := range keys {
		keys[i] = fmt.Sprintf("%05d", 10_000+i)
	}
	if _, err := m.Claim(t.Context(), time.Hour, keys...); err != nil {
		t.Error(err)
	}
}

// A claim of one store is not good in another, even after as many claims.
func TestMemoryClaimsAreItsOwn(t *testing.T) {
	a, b := newMemory(t), newMemory(t)
	of, err := a.Claim(t.Context(), time.Hour, "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Claim(t.Context(), time.Hour, "k"); err != nil {
		t.Fatal(err)
	}
	stored, err := b.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "k", Keep: time.Hour}, Token: of[0].Token})
	if err != nil || stored[0] {
		t.Errorf("Fill says %v, %v; want false", stored, err)
	}
}

// A claim that finds nothing knows of no value, also where one was there that has ended:
// what it writes back is no newer than what an older claim brings.
func TestMemoryClaimOfWhatHasEnded(t *testing.T) {
	mock := clock.NewMock()
	m := newMemory(t, storage.MemoryClock(mock))
	claim := func() string {
		claims, err := m.Claim(t.Context(), time.Hour, "k")
		if err != nil || claims[0].Found {
			t.Fatal(claims, err)
		}
		return claims[0].Token
	}
	fill := func(token string, touch bool) {
		t.Helper()
		stored, err := m.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "k", Keep: time.Minute}, Token: token, Touch: touch})
		if err != nil || !stored[0] {
			t.Errorf("Fill says %v, %v; want true", stored, err)
		}
	}
	older, newer := claim(), claim()
	fill(newer, false)
	mock.Add(time.Minute)
	fill(claim(), true)
	fill(older, false)
}
