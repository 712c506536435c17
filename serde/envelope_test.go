package serde_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

const born = entry.Instant(1_700_000_000_123_456_789)

func fresh[V any](value V) *entry.Entry[V] {
	return entry.New(value, born, entry.Life{UpdateAfter: 10 * time.Minute, ExpireAfter: 30 * time.Minute})
}

func written[V any](t testing.TB, s serde.SerDe[V], e *entry.Entry[V]) []byte {
	t.Helper()
	record, err := s.Serialize(e)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

var ours = []error{serde.ErrCorrupt, serde.ErrVersion, serde.ErrCodec, serde.ErrTooLarge, serde.ErrValue}

// refused checks that a record is one of the errors that a caller can tell.
func refused[V any](t testing.TB, s serde.SerDe[V], record []byte, what string, want ...error) {
	t.Helper()
	if len(want) == 0 {
		want = ours
	}
	e, err := s.Deserialize(record)
	for _, w := range want {
		if e == nil && errors.Is(err, w) {
			return
		}
	}
	t.Errorf("%s: read as %v, with the error %v; want none, and one of %v", what, e, err, want)
}

// header makes the header that the package documents, without the help of it.
func header(name string, versionByte, flags byte, created, update, expire int64, payload []byte) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	h := []byte{versionByte, flags}
	h = binary.BigEndian.AppendUint16(h, uint16(crc32.Checksum([]byte(name), table)))
	for _, n := range []int64{created, update, expire} {
		h = binary.BigEndian.AppendUint64(h, uint64(n))
	}
	sum := crc32.Checksum(append(append([]byte(name), h...), payload...), table)
	return append(binary.BigEndian.AppendUint32(h, sum), payload...)
}

func TestEnvelopeHeader(t *testing.T) {
	minute := int64(time.Minute)
	want := header("json", 0xE1, 0, int64(born), 10*minute, 30*minute, []byte(`"value"`))
	if got := written(t, serde.Envelope(serde.JSON[string]()), fresh("value")); !bytes.Equal(got, want) {
		t.Errorf("written\n%x, want\n%x", got, want)
	}
	if len(want) != 32+len(`"value"`) {
		t.Errorf("the header has %d bytes", len(want)-len(`"value"`))
	}
}

// Records that were written once are read for ever.
func TestRecordsOfEarlierVersionsAreRead(t *testing.T) {
	for format, record := range map[string]string{
		"json":       "e100854617979cfe3d85cd150000008bb2c97000000001a3185c5000bbc057502276616c756522",
		"raw":        "e1007aa717979cfe3d85cd150000008bb2c97000000001a3185c500053f5cf5976616c7565",
		"gob":        "e10070b017979cfe3d85cd150000008bb2c97000000001a3185c500014f5039c080c000576616c7565",
		"json+zlib":  "e100bd8a17979cfe3d85cd150000008bb2c97000000001a3185c5000bd8edef6789c522a4bcc294d5502040000ffff09990262",
		"json+gzip":  "e100c81f17979cfe3d85cd150000008bb2c97000000001a3185c5000156f44001f8b08000000000000ff522a4bcc294d5502040000ffffec7b475207000000",
		"raw+base64": "e100576f17979cfe3d85cd150000008bb2c97000000001a3185c5000587596c2646d46736457553d0a",
		"gob+zlib":   "e100f5d717979cfe3d85cd150000008bb2c97000000001a3185c5000d5913119789ce2e061602d4bcc294d05040000ffff07340237",
	} {
		f, err := serde.Parse(format)
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.For[string](f)
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(record)
		if err != nil {
			t.Fatal(err)
		}
		e, err := s.Deserialize(data)
		if err != nil || e.Value != "value" || e.Created() != born || e.UpdateAfter() != born.Add(10*time.Minute) || e.ExpiresAfter() != born.Add(30*time.Minute) {
			t.Errorf("%s: read as %+v, %v; written now it is\n%x", format, e, err, written(t, s, fresh("value")))
		}
	}
}

func TestEverySingleFlippedBitIsFound(t *testing.T) {
	flip := func(t *testing.T, s serde.SerDe[string], record []byte) {
		for i := range len(record) * 8 {
			record[i/8] ^= 1 << (i % 8)
			refused(t, s, record, fmt.Sprintf("bit %d of byte %d is flipped", i%8, i/8), serde.ErrCorrupt, serde.ErrVersion, serde.ErrCodec)
			record[i/8] ^= 1 << (i % 8)
		}
	}
	for name, codec := range map[string]serde.Codec[string]{
		"json": serde.JSON[string](), "gob": made(serde.Gob[string]()), "raw": made(serde.Raw[string]()),
		"json+zlib": serde.EncodedCodec(serde.JSON[string](), serde.Zlib()),
	} {
		t.Run(name, func(t *testing.T) {
			s := serde.Envelope(codec)
			for _, v := range []string{"", "value", strings.Repeat("long ", 50)} {
				flip(t, s, written(t, s, fresh(v)))
			}
			flip(t, s, written(t, s, entry.Restore("", 0, entry.Never, entry.Never)))
			flip(t, s, written(t, s, entry.NewNegative[string](5, *entry.Answer(errors.New("none"), "none", entry.Life{ExpireAfter: 9}, 5))))
			kept := fresh("value")
			kept.SetKeep(entry.NewKeep(7))
			flip(t, s, written(t, s, kept))
		})
	}
}

// To a codec that takes anything, only the checksum tells.
func TestRecordsCutShortOrTooLong(t *testing.T) {
	s := serde.Envelope(made(serde.Raw[string]()))
	for _, v := range []string{"", "value", strings.Repeat("\x00", 100)} {
		record := written(t, s, fresh(v))
		for n := range record {
			refused(t, s, record[:n], fmt.Sprintf("%d of %d bytes", n, len(record)), serde.ErrCorrupt)
		}
		for n := range 100 {
			refused(t, s, append(bytes.Clone(record), make([]byte, n+1)...), fmt.Sprintf("%d bytes too many", n+1), serde.ErrCorrupt)
			refused(t, s, append(bytes.Clone(record), record[:n%len(record)+1]...), "bytes of its own too many", serde.ErrCorrupt)
		}
		refused(t, s, append([]byte{0}, record...), "a byte before it", serde.ErrCorrupt)
	}
}

func TestStrangeRecords(t *testing.T) {
	s := serde.Envelope(serde.JSON[int]())
	for _, c := range []struct {
		name   string
		record []byte
		want   error
	}{
		{"none", nil, serde.ErrCorrupt},
		{"JSON of py-memoize", []byte(`{"created": 1.0, "update_after": 2.0, "expires_after": 3.5, "value": 1}`), serde.ErrCorrupt},
		{"zeros", make([]byte, 100), serde.ErrCorrupt},
		{"a later version", header("json", 0xE2, 0, 0, 1, 2, []byte("1")), serde.ErrVersion},
		{"version 0", header("json", 0xE0, 0, 0, 1, 2, []byte("1")), serde.ErrVersion},
		{"a flag", header("json", 0xE1, 4, 0, 1, 2, []byte("1")), serde.ErrVersion},
		{"both flags", header("json", 0xE1, 3, 0, 1, 2, []byte("1")), serde.ErrVersion},
		{"an answer without a text", header("json", 0xE1, 1, 0, 1, 2, nil), serde.ErrCorrupt},
		{"no keep", header("json", 0xE1, 2, 0, 1, 2, []byte("1")), serde.ErrCorrupt},
		{"a keep of nothing", header("json", 0xE1, 2, 0, 1, 2, append(make([]byte, 8), '1')), serde.ErrCorrupt},
		{"a keep below zero", header("json", 0xE1, 2, 0, 1, 2, append([]byte{0xFF, 0, 0, 0, 0, 0, 0, 0}, '1')), serde.ErrCorrupt},
		{"a keep and no value", header("json", 0xE1, 2, 0, 1, 2, []byte{0, 0, 0, 0, 0, 0, 0, 1}), serde.ErrValue},
		{"another magic", header("json", 0xD1, 0, 0, 1, 2, []byte("1")), serde.ErrCorrupt},
		{"another codec", header("gob", 0xE1, 0, 0, 1, 2, []byte("1")), serde.ErrCodec},
		{"another encoding", header("json+zlib", 0xE1, 0, 0, 1, 2, []byte("1")), serde.ErrCodec},
		{"a value of another type", header("json", 0xE1, 0, 0, 1, 2, []byte(`"text"`)), serde.ErrValue},
		{"no value", header("json", 0xE1, 0, 0, 1, 2, nil), serde.ErrValue},
		{"two values", header("json", 0xE1, 0, 0, 1, 2, []byte("1 1")), serde.ErrValue},
	} {
		refused(t, s, c.record, c.name, c.want)
	}
}

// Records of one format are refused by every other.
func TestFormatsRefuseEachOther(t *testing.T) {
	formats := []string{"json", "gob", "raw", "json+zlib", "json+gzip", "json+base64", "json+zlib+base64", "json+base64+zlib", "raw+zlib", "entry-json", "entry-json+zlib"}
	all := map[string]serde.SerDe[string]{}
	for _, text := range formats {
		f, err := serde.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if all[text], err = serde.For[string](f); err != nil {
			t.Fatal(err)
		}
	}
	for writer, w := range all {
		record := written(t, w, fresh("value"))
		for reader, r := range all {
			if writer == reader {
				continue
			}
			want := []error{serde.ErrCodec}
			if strings.HasPrefix(writer, "entry") || strings.HasPrefix(reader, "entry") {
				want = []error{serde.ErrCorrupt}
			}
			refused(t, r, record, writer+" read as "+reader, want...)
		}
	}
}

// Two names whose halves in the header are equal are told apart by the checksum.
func TestNamesWithEqualHalvesDiffer(t *testing.T) {
	named := func(name string) serde.SerDe[string] {
		return serde.Envelope(made(serde.Funcs(name,
			func(s string) ([]byte, error) { return []byte(s), nil }, func(data []byte) (string, error) { return string(data), nil })))
	}
	half := func(name string) uint16 {
		return uint16(crc32.Checksum([]byte(name), crc32.MakeTable(crc32.Castagnoli)))
	}
	for i := range 1 << 20 {
		name := fmt.Sprintf("format-%d", i)
		if half(name) == half("mine") {
			refused(t, named("mine"), written(t, named(name), fresh("value")), name+" read as mine", serde.ErrCorrupt)
			return
		}
	}
	t.Fatal("no two names have equal halves")
}

type unnamed struct{ serde.Codec[string] }
type alsoUnnamed struct{ serde.Codec[string] }

func TestCodecWithoutNameGoesByItsType(t *testing.T) {
	raw := made(serde.Raw[string]())
	first, again, other := serde.Envelope[string](unnamed{raw}), serde.Envelope[string](unnamed{raw}), serde.Envelope[string](alsoUnnamed{raw})
	record := written(t, first, fresh("value"))
	if e, err := again.Deserialize(record); err != nil || e.Value != "value" {
		t.Errorf("read as %v, %v", e, err)
	}
	refused(t, other, record, "another type", serde.ErrCodec)
	if _, ok := any(unnamed{raw}).(serde.Named); ok {
		t.Error("the test's codec has a name")
	}
}

func TestEnvelopeInstants(t *testing.T) {
	s := serde.Envelope(made(serde.Raw[string]()))
	for _, c := range [][3]entry.Instant{
		{0, 0, 0}, {born, born, born}, {born, born + 1, born + 2}, {-born, born, born},
		{born, entry.Never, entry.Never}, {0, entry.Never - 1, entry.Never}, {-1, entry.Never - 2, entry.Never}, {-born, entry.Never, entry.Never},
		{entry.Never, entry.Never, entry.Never}, {entry.Never, 0, -1}, {math.MinInt64, math.MinInt64, -2}, {math.MinInt64, entry.Never, entry.Never},
		{0, math.MinInt64, math.MinInt64}, {born, -1, 0},
	} {
		got, err := s.Deserialize(written(t, s, entry.Restore("", c[0], c[1], c[2])))
		if err != nil || got.Created() != c[0] || got.UpdateAfter() != c[1] || got.ExpiresAfter() != c[2] {
			t.Errorf("%d come back as %d, %d, %d, %v", c, got.Created(), got.UpdateAfter(), got.ExpiresAfter(), err)
		}
	}
	// What lies further from created than a duration can say.
	got, err := s.Deserialize(written(t, s, entry.Restore("", -born, entry.Never-1, math.MaxInt64-5)))
	if err != nil || got.UpdateAfter() != entry.Never || got.ExpiresAfter() != entry.Never {
		t.Errorf("an end 292 years away comes back as %d, %d, %v", got.UpdateAfter(), got.ExpiresAfter(), err)
	}
	if got, err = s.Deserialize(written(t, s, entry.Restore("", born, math.MinInt64, math.MinInt64))); err != nil || got.ExpiresAfter() > 0 {
		t.Errorf("an end 292 years ago comes back as %d, %v", got.ExpiresAfter(), err)
	}
}

// A header that somebody has forged names no instant outside of time.
func TestHostileHeaders(t *testing.T) {
	s := serde.Envelope(made(serde.Raw[string]()))
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -int64(born), -1, 0, 1, int64(born), math.MaxInt64 - 1, math.MaxInt64}
	clamp := func(created, delta int64) entry.Instant { // as numbers that have no end would have it
		if delta == math.MaxInt64 {
			return entry.Never
		}
		sum := float64(created) + float64(delta)
		switch exact := created + delta; {
		case sum > 1e19 || created > 0 && delta > 0 && exact < 0:
			return entry.Never
		case sum < -1e19 || created < 0 && delta < 0 && exact >= 0:
			return math.MinInt64
		default:
			return entry.Instant(exact)
		}
	}
	for _, created := range edges {
		for _, update := range edges {
			for _, expire := range edges {
				e, err := s.Deserialize(header("raw", 0xE1, 0, created, update, expire, []byte("value")))
				if err != nil {
					t.Fatalf("%d, %d, %d: %v", created, update, expire, err)
				}
				if e.Created() != entry.Instant(created) || e.UpdateAfter() != clamp(created, update) || e.ExpiresAfter() != clamp(created, expire) {
					t.Errorf("%d, %d, %d is read as %d, %d, %d", created, update, expire, e.Created(), e.UpdateAfter(), e.ExpiresAfter())
				}
			}
		}
	}
}

func TestEnvelopeAllocatesTwice(t *testing.T) {
	for _, size := range []int{0, 1, 100, 10_000} {
		codec := made(serde.Raw[[]byte]())
		s := serde.Envelope(codec)
		value := make([]byte, size)
		e := fresh(value)
		record := written(t, s, e)
		data, err := codec.Encode(value)
		if err != nil {
			t.Fatal(err)
		}
		var failed error
		note := func(err error) {
			if err != nil {
				failed = err
			}
		}
		own := testing.AllocsPerRun(100, func() {
			_, err := codec.Encode(value)
			note(err)
			_, err = codec.Decode(data)
			note(err)
		})
		all := testing.AllocsPerRun(100, func() {
			_, err := s.Serialize(e)
			note(err)
			_, err = s.Deserialize(record)
			note(err)
		})
		if failed != nil {
			t.Fatal(failed)
		}
		if all > own+2 {
			t.Errorf("%d bytes: %v allocations, the codec's own are %v; want at most 2 more", size, all, own)
		}
	}
}

func TestSerializeFails(t *testing.T) {
	broken := errors.New("broken")
	s := serde.Envelope(made(serde.Funcs("broken", func(int) ([]byte, error) { return nil, broken }, func([]byte) (int, error) { return 0, broken })))
	if record, err := s.Serialize(fresh(1)); record != nil || !errors.Is(err, serde.ErrValue) || !errors.Is(err, broken) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %q, %v; want ErrValue with its cause", record, err)
	}
	refused(t, s, header("broken", 0xE1, 0, 0, 1, 2, nil), "a codec that fails", broken)
	if _, err := serde.Envelope(serde.JSON[any]()).Serialize(fresh[any](func() {})); !errors.Is(err, serde.ErrValue) {
		t.Errorf("a function in JSON: %v, want ErrValue", err)
	}
}
