package serdetest

import (
	"bytes"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/serde"
)

type serDes[V any] struct {
	new func() serde.SerDe[V]
	subject[V]
}

func serDeSuite[V any]() []checks.Check[serDes[V]] {
	return []checks.Check[serDes[V]]{
		{Name: "a value comes back as it was", Run: valuesReturn[V]},
		{Name: "the zero value is a value", Run: zeroReturns[V]},
		{Name: "the instants come back, to the microsecond", Run: instantsReturn[V]},
		{Name: "records are read by another of its kind", Run: readByAnother[V]},
		{Name: "a record is the caller's", Run: recordsAreApart[V]},
		{Name: "an entry does not depend on the bytes it was read from", Run: entriesAreApart[V]},
		{Name: "reading does not change the record", Run: recordIsLeft[V]},
		{Name: "a record that is cut short is never another value", Run: cutShort[V]},
		{Name: "garbage is an error", Run: garbageIsRefused[V]},
		{Name: "no entry is an error", Run: noEntry[V]},
		{Name: "concurrent use", Run: concurrentSerDe[V]},
	}
}

const born = entry.Instant(1_700_000_000_123_456_789)

func fresh[V any](value V) *entry.Entry[V] {
	return entry.New(value, born, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
}

// write is Serialize where it must not fail.
func (s serDes[V]) write(t checks.TB, sd serde.SerDe[V], e *entry.Entry[V]) []byte {
	t.Helper()
	record, err := sd.Serialize(e)
	if err != nil {
		t.Fatalf("Serialize of %v: %v", show(e.Value), err)
	}
	return record
}

// returns checks that a record is read as the value it was written of.
func (s serDes[V]) returns(t checks.TB, sd serde.SerDe[V], record []byte, want V) {
	t.Helper()
	e, err := sd.Deserialize(record)
	switch {
	case err != nil:
		t.Errorf("Deserialize of what %v was written as: %v", show(want), err)
	case e == nil:
		t.Errorf("Deserialize of what %v was written as returns neither an entry nor an error", show(want))
	case !s.equal(e.Value, want):
		t.Errorf("%v comes back as %v", show(want), show(e.Value))
	}
}

func valuesReturn[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	for _, v := range s.values {
		s.returns(t, sd, s.write(t, sd, fresh(v)), v)
	}
}

func zeroReturns[V any](t checks.TB, s serDes[V]) {
	var zero V
	sd := s.new()
	s.returns(t, sd, s.write(t, sd, fresh(zero)), zero)
}

func instantsReturn[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	for _, c := range []struct {
		name                               string
		created, updateAfter, expiresAfter entry.Instant
	}{
		{"the present", born, born.Add(time.Minute), born.Add(time.Hour)},
		{"the epoch", 0, 0, 0},
		{"a second", 1e9, 2e9, 3.5e9},
		{"before the epoch", -1.5e9, -0.5e9, 1e9},
		{"update-after past expires-after", born, born.Add(time.Hour), born.Add(time.Minute)},
		{"ends before its beginning", born, born.Add(-time.Hour), born.Add(-time.Minute)},
		{"no end", born, entry.Never, entry.Never},
		{"no end from the epoch", 0, 0, entry.Never},
		{"no end from before the epoch", -born, born, entry.Never},
	} {
		got, err := sd.Deserialize(s.write(t, sd, entry.Restore(s.values[0], c.created, c.updateAfter, c.expiresAfter)))
		if err != nil || got == nil {
			t.Errorf("%s: Deserialize returns %v, %v", c.name, got, err)
			continue
		}
		near(t, c.name+": created", got.Created(), c.created)
		near(t, c.name+": update-after", got.UpdateAfter(), c.updateAfter)
		near(t, c.name+": expires-after", got.ExpiresAfter(), c.expiresAfter)
	}
}

func near(t checks.TB, name string, got, want entry.Instant) {
	t.Helper()
	if off := got.Sub(want); got != want && (want == entry.Never || off < -time.Microsecond || off > time.Microsecond) {
		t.Errorf("%s comes back as %d, want %d", name, got, want)
	}
}

func readByAnother[V any](t checks.TB, s serDes[V]) {
	writer, reader := s.new(), s.new()
	for _, v := range s.values {
		s.returns(t, reader, s.write(t, writer, fresh(v)), v)
	}
}

func recordsAreApart[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	records := make([][]byte, len(s.values))
	for i, v := range s.values {
		records[i] = s.write(t, sd, fresh(v))
	}
	for i, v := range s.values { // written before others were
		s.returns(t, sd, records[i], v)
	}
	for i, v := range s.values {
		kept := bytes.Clone(records[i])
		scribble(records[i])
		s.returns(t, sd, kept, v) // else what was scribbled on was the value itself
		s.returns(t, sd, s.write(t, sd, fresh(v)), v)
		scribble(records[i]) // as it was
	}
}

func entriesAreApart[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	for _, v := range s.values {
		record := s.write(t, sd, fresh(v))
		e, err := sd.Deserialize(record)
		if err != nil || e == nil {
			t.Fatalf("Deserialize of what %v was written as returns %v, %v", show(v), e, err)
		}
		scribble(record)
		if !s.equal(e.Value, v) {
			t.Errorf("%v becomes %v when the record that it was read from changes", show(v), show(e.Value))
		}
	}
}

func recordIsLeft[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	for _, v := range s.values {
		record := s.write(t, sd, fresh(v))
		before := bytes.Clone(record)
		s.returns(t, sd, record, v)
		if !bytes.Equal(record, before) {
			t.Errorf("the record of %v is changed by Deserialize", show(v))
		}
	}
}

// cutShort allows that the last byte carries nothing, as a newline does.
func cutShort[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	for _, v := range s.values {
		record := s.write(t, sd, fresh(v))
		step := 1 + len(record)/100
		for n := 0; n < len(record); n += step {
			if e, ok := s.read(t, sd, record[:n:n]); ok && !s.equal(e.Value, v) {
				t.Fatalf("the first %d of %d bytes that %v was written as come back as %v", n, len(record), show(v), show(e.Value))
			}
		}
	}
}

func garbageIsRefused[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	for _, data := range garbage {
		if e, ok := s.read(t, sd, data); ok {
			t.Errorf("%q is read as %v", data, show(e.Value))
		}
	}
}

// read is Deserialize of anything: it returns an entry or an error.
func (s serDes[V]) read(t checks.TB, sd serde.SerDe[V], data []byte) (e *entry.Entry[V], ok bool) {
	t.Helper()
	e, err := sd.Deserialize(data)
	if (e == nil) == (err == nil) {
		t.Fatalf("Deserialize of %q returns %v and the error %v: one of them, always", data, e, err)
	}
	return e, err == nil
}

func noEntry[V any](t checks.TB, s serDes[V]) {
	if record, err := s.new().Serialize(nil); err == nil {
		t.Errorf("Serialize(nil) returns %q and no error", record)
	}
}

func concurrentSerDe[V any](t checks.TB, s serDes[V]) {
	sd := s.new()
	together(len(s.values), func(i int) {
		record, err := sd.Serialize(fresh(s.values[i]))
		if err != nil {
			t.Errorf("Serialize of %v: %v", show(s.values[i]), err)
			return
		}
		s.returns(t, sd, record, s.values[i])
	})
}
