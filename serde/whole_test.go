package serde_test

import (
	"errors"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

func TestWholeRecords(t *testing.T) {
	for name, s := range map[string]serde.SerDe[string]{
		"plain":   serde.Envelope(serde.JSON[string]()),
		"encoded": serde.Encoded(serde.Envelope(serde.JSON[string]()), serde.Zlib()),
	} {
		t.Run(name, func(t *testing.T) {
			if !serde.IsWhole(s) {
				t.Fatal("it is not whole")
			}
			none := errors.New("wrapped: no rows")
			negative := entry.NewNegative[string](100, *entry.Answer(none, "no rows", entry.Life{UpdateAfter: 3, ExpireAfter: 9}, 100))
			got := read(t, s, written(t, s, negative))
			n := got.Negative()
			if n == nil || n.Text != "no rows" || n.Err == nil || n.Err.Error() != "no rows" || n.UpdateAfter != 103 || n.ExpiresAfter != 109 || got.Created() != 100 || got.KeepUntil() != 109 {
				t.Errorf("a negative answer comes back as %+v of %v", n, got)
			}
			if got.StateAt(100) != entry.Expired {
				t.Error("to whom knows no answers it has not expired")
			}
			kept := entry.Restore("v", 100, 110, 130)
			kept.SetKeep(entry.NewKeep(time.Hour))
			got = read(t, s, written(t, s, kept))
			if got.Value != "v" || got.ExpiresAfter() != 130 || got.Keep().For() != time.Hour || got.KeepUntil() != entry.Instant(130).Add(time.Hour) {
				t.Errorf("a kept value comes back as %v, until %v", got, got.KeepUntil())
			}
		})
	}
	unnamed := entry.NewNegative[string](100, entry.Negative{Err: errors.New("x"), ExpiresAfter: 200})
	if _, err := serde.Envelope(serde.JSON[string]()).Serialize(unnamed); err == nil {
		t.Error("an answer without a text is written")
	}
	python := serde.EntryJSON[string]()
	if serde.IsWhole(python) || serde.IsWhole(serde.Encoded(python, serde.Zlib())) || serde.IsWhole(nil) {
		t.Error("py-memoize's format has no place for answers, and nil is none")
	}
	if _, err := python.Serialize(entry.NewNegative[string](1, entry.Negative{Err: errors.New("x"), Text: "x", ExpiresAfter: 2})); err == nil {
		t.Error("an answer is written in py-memoize's format")
	}
}

func read[V any](t *testing.T, s serde.SerDe[V], record []byte) *entry.Entry[V] {
	t.Helper()
	e, err := s.Deserialize(record)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
