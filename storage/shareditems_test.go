package storage_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// Of several keys and values those that can't be stored fail alone, each under its
// place, and the store is asked for the others.
func TestSharedItemsFailAlone(t *testing.T) {
	ctx := t.Context()
	store, err := storage.Share(storage.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	shared, err := storage.NewPart[float64, string](store, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Bind("f"); err != nil {
		t.Fatal(err)
	}
	can := shared.Abilities()
	nan := math.NaN()
	keys := []float64{nan, 1, 2, 3}
	fresh := func(value string) *entry.Entry[string] {
		return entry.New(value, entry.At(time.Now()), entry.Life{UpdateAfter: time.Hour, ExpireAfter: time.Hour})
	}
	alone := func(what string, err error, places ...int) {
		t.Helper()
		if storage.FaultOf(err, -1) != nil {
			t.Fatalf("%s: the error %v is of all", what, err)
		}
		for i := range keys {
			bad := false
			for _, place := range places {
				bad = bad || place == i
			}
			if fault := storage.FaultOf(err, i); (fault != nil) != bad || bad && !errors.Is(fault, storage.ErrUnstorable) {
				t.Errorf("%s: the fault of %d is %v", what, i, fault)
			}
		}
	}
	holds := func(what string, want ...string) {
		t.Helper()
		got, err := can.BulkReader.GetMany(ctx, keys)
		alone("GetMany", err, 0)
		for i, e := range got {
			if value := want[i]; (e != nil) != (value != "") || e != nil && e.Value != value {
				t.Errorf("after %s %v has %+v, want %q", what, keys[i], e, value)
			}
		}
	}

	alone("OfferMany", can.Bulk.OfferMany(ctx, keys, []*entry.Entry[string]{fresh("x"), fresh("a"), fresh("\xff"), fresh("c")}), 0, 2)
	holds("OfferMany", "", "a", "", "c")

	claims, err := can.Fenced.Claim(ctx, time.Hour, keys...)
	alone("Claim", err, 0)
	if len(claims) != 4 || claims[1].Entry == nil || claims[2].Entry != nil || claims[2].Token == "" || claims[3].Entry.Value != "c" {
		t.Fatalf("the claims are %+v", claims)
	}
	var fills []storage.Fill[float64, string]
	for i, value := range []string{"x", "b", "\xff", "d"} {
		fills = append(fills, storage.Fill[float64, string]{Key: keys[i], Entry: fresh(value), Token: claims[i].Token})
	}
	stored, err := can.Fenced.Fill(ctx, fills...)
	alone("Fill", err, 0, 2)
	if len(stored) != 4 || stored[0] || !stored[1] || stored[2] || !stored[3] {
		t.Errorf("stored are %v", stored)
	}
	holds("Fill", "", "b", "", "d")

	alone("ReleaseMany", can.Bulk.ReleaseMany(ctx, keys), 0)
	holds("ReleaseMany", "", "", "", "")

	keys = []float64{nan, nan, nan, nan}
	_, err = can.Fenced.Claim(ctx, time.Hour, keys...)
	alone("Claim of none", err, 0, 1, 2, 3)
	alone("ReleaseMany of none", can.Bulk.ReleaseMany(ctx, keys), 0, 1, 2, 3)
}
