package serde_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

// reads checks what holds for any record: an entry or one of the errors, and an
// entry that is read can be written and read again.
func reads[V any](t *testing.T, s serde.SerDe[V], data []byte) {
	t.Helper()
	before := bytes.Clone(data)
	e, err := s.Deserialize(data)
	if !bytes.Equal(data, before) {
		t.Errorf("Deserialize changes %q to %q", before, data)
	}
	if err != nil {
		if refused(t, s, data, "fuzzed"); e != nil {
			t.Errorf("%v stands beside the error %v", e, err)
		}
		return
	}
	again, err := s.Deserialize(written(t, s, e))
	if err != nil || again.Created() != e.Created() || again.UpdateAfter() != e.UpdateAfter() || again.ExpiresAfter() != e.ExpiresAfter() {
		t.Errorf("%+v comes back as %+v, %v", e, again, err)
	}
}

// The payload is fuzzed behind a header that is right, else nothing would come
// past the checksum.
func FuzzEnvelope(f *testing.F) {
	s := serde.Envelope(serde.JSON[string]())
	f.Add(written(f, s, fresh("value")), int64(0), int64(1), int64(2))
	f.Add([]byte(`"value"`), int64(born), int64(-1), int64(entry.Never))
	f.Add([]byte{}, int64(entry.Never), int64(entry.Never), int64(-1)<<63)
	f.Fuzz(func(t *testing.T, data []byte, created, update, expire int64) {
		reads(t, s, data)
		record := header("json", 0xE1, 0, created, update, expire, data)
		reads(t, s, record)
		if len(data) > 0 {
			record[len(record)-1-int(uint64(created)%uint64(len(data)))] ^= 1
			refused(t, s, record, "a flipped bit", serde.ErrCorrupt)
		}
	})
}

func FuzzCodecs(f *testing.F) {
	text, raw, structs, pointers, binary := made(serde.Gob[string]()), made(serde.Raw[[]byte]()), made(serde.Gob[user]()), made(serde.Gob[*user]()), made(serde.Binary[*sealed]())
	for _, u := range gobUsers() {
		if data, err := pointers.Encode(u); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = text.Decode(data) // no more is asked than that none panics
		_, _ = structs.Decode(data)
		_, _ = pointers.Decode(data)
		_, _ = binary.Decode(data)
		if got, err := raw.Decode(data); err != nil || string(got) != string(data) {
			t.Errorf("%q is read as %q, %v", data, got, err)
		}
	})
}

func FuzzEntryJSON(f *testing.F) {
	for _, v := range vectors.Entries {
		f.Add(v.Records[""])
	}
	f.Add([]byte(`{"created": 1e9, "update_after": -0.5, "expires_after": 9223372036.854775807, "value": []}`))
	s := serde.EntryJSON[any]()
	f.Fuzz(func(t *testing.T, data []byte) { reads(t, s, data) })
}

func FuzzEncodings(f *testing.F) {
	const limit = 1 << 16
	all := []serde.Encoding{serde.Zlib(), serde.Gzip(), serde.Base64(), serde.Bzip2()}
	for i, e := range all {
		if data, err := e.Encode([]byte(`{"a":[1,null]}`)); err == nil {
			f.Add(data, uint8(i))
		}
	}
	for _, v := range vectors.Entries {
		f.Add(v.Records["bz2"], uint8(3))
		f.Add(v.Records["zip"], uint8(0))
	}
	f.Add(vectors.Bomb, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, which uint8) {
		e := all[int(which)%len(all)]
		out, err := e.Decode(data, limit)
		if err == nil && len(out) > limit {
			t.Errorf("%s: %d bytes are decoded to %d, the limit is %d", e.Name(), len(data), len(out), limit)
		}
		encoded, err := e.Encode(data)
		if e.Name() == "bz2" {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		if got, err := e.Decode(encoded, max(1, len(data))); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %q comes back as %q, %v", e.Name(), data, got, err)
		}
		if len(data) > 1 {
			if _, err := e.Decode(encoded, len(data)-1); !errors.Is(err, serde.ErrTooLarge) {
				t.Errorf("%s: one byte more than the limit: %v", e.Name(), err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "json", "json+zip://?compression-level=9&limit=1", "entry-json+bz2+base64", "gob://", "raw+reversed://?times=2", "json://?x=%zz", "a+b+c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		format, err := serde.Parse(text)
		if err != nil {
			return
		}
		again, err := serde.Parse(format.String())
		if err != nil || again.String() != format.String() {
			t.Errorf("%q becomes %q, and that becomes %q, %v", text, format, again, err)
		}
		if s, err := serde.For[string](format); err == nil {
			if record, err := s.Serialize(fresh("value")); err == nil {
				if e, err := s.Deserialize(record); err != nil && !errors.Is(err, serde.ErrTooLarge) || err == nil && e.Value != "value" {
					t.Errorf("%q does not read what it has written: %v, %v", text, e, err)
				}
			}
		}
	})
}
