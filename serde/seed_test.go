package serde_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

// The tests of this file are what py-memoize's tests of its SerDes assert, and
// what cachetory's of its serializers do.

// mock is a SerDe that notes what it is given.
type mock struct {
	serialized   []*entry.Entry[string]
	deserialized []string
}

func (m *mock) Serialize(e *entry.Entry[string]) ([]byte, error) {
	m.serialized = append(m.serialized, e)
	return []byte("in"), nil
}

var mocked = fresh("value")

func (m *mock) Deserialize(data []byte) (*entry.Entry[string], error) {
	m.deserialized = append(m.deserialized, string(data))
	return mocked, nil
}

func TestSeed38EncodingIsAppliedOnSerialized(t *testing.T) {
	inner := new(mock)
	e := fresh("value")
	record, err := serde.Encoded(inner, serde.Base64()).Serialize(e)
	if err != nil || string(record) != "aW4=\n" {
		t.Errorf("the record is %q, %v; want \"aW4=\\n\"", record, err)
	}
	if len(inner.serialized) != 1 || inner.serialized[0] != e {
		t.Errorf("the inner one was given %v, want the entry once", inner.serialized)
	}
}

func TestSeed39DecodingIsAppliedOnRecord(t *testing.T) {
	inner := new(mock)
	e, err := serde.Encoded(inner, serde.Base64()).Deserialize([]byte("eQ==\n"))
	if err != nil || e != mocked {
		t.Errorf("read as %v, %v; want the inner one's entry", e, err)
	}
	if len(inner.deserialized) != 1 || inner.deserialized[0] != "y" {
		t.Errorf("the inner one was given %q, want y once", inner.deserialized)
	}
}

// Gob in an envelope is to Go what pickle is to Python.
func gobbed(t *testing.T) serde.SerDe[string] {
	t.Helper()
	c, err := serde.Gob[string]()
	if err != nil {
		t.Fatal(err)
	}
	return serde.Envelope(c)
}

func sameEntry(t *testing.T, got, want *entry.Entry[string], err error) {
	t.Helper()
	if err != nil || got.Value != want.Value || got.Created() != want.Created() || got.UpdateAfter() != want.UpdateAfter() || got.ExpiresAfter() != want.ExpiresAfter() {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestSeed40EncodingAroundPickle(t *testing.T) {
	s := serde.Encoded(gobbed(t), serde.Base64())
	e := fresh("value")
	got, err := s.Deserialize(written(t, s, e))
	sameEntry(t, got, e, err)
}

func seconds(value string) *entry.Entry[string] {
	return entry.Restore(value, entry.At(time.Unix(1, 0)), entry.At(time.Unix(2, 0)), entry.At(time.Unix(3, 0)))
}

// asJSON reads a record as any reader of JSON does.
func asJSON(t *testing.T, record []byte) (fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal(record, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestSeed41EncodesAsReadableJSON(t *testing.T) {
	got := asJSON(t, written(t, serde.EntryJSON[string](), seconds("in")))
	if want := map[string]any{"created": 1.0, "update_after": 2.0, "expires_after": 3.0, "value": "in"}; !reflect.DeepEqual(got, want) {
		t.Errorf("written as %v, want %v", got, want)
	}
}

func TestSeed42DecodesReadableJSON(t *testing.T) {
	got, err := serde.EntryJSON[string]().Deserialize([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":"value"}`))
	sameEntry(t, got, seconds("value"), err)
}

// between makes the SerDe that writes "in" as "out", and notes what it is asked.
func between(t *testing.T, from, to string) (s serde.SerDe[string], asked *[]string) {
	t.Helper()
	asked = new([]string)
	s, err := serde.EntryJSONOf(
		func(v string) (string, error) { *asked = append(*asked, v); return to, nil },
		func(v string) (string, error) { *asked = append(*asked, v); return from, nil })
	if err != nil {
		t.Fatal(err)
	}
	return s, asked
}

func TestSeed43ValueIsTransformedOnSerialization(t *testing.T) {
	s, asked := between(t, "in", "out")
	got := asJSON(t, written(t, s, seconds("in")))
	if want := map[string]any{"created": 1.0, "update_after": 2.0, "expires_after": 3.0, "value": "out"}; !reflect.DeepEqual(got, want) {
		t.Errorf("written as %v, want %v", got, want)
	}
	if len(*asked) != 1 || (*asked)[0] != "in" {
		t.Errorf("the function was given %q, want in once", *asked)
	}
}

func TestSeed44ValueIsTransformedOnDeserialization(t *testing.T) {
	s, asked := between(t, "out", "in")
	got, err := s.Deserialize([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":"in"}`))
	sameEntry(t, got, seconds("out"), err)
	if len(*asked) != 1 || (*asked)[0] != "in" {
		t.Errorf("the function was given %q, want in once", *asked)
	}
}

// The seed's pickle has protocols; a record here says its version itself.

func TestSeed45PickleWrites(t *testing.T) {
	record := written(t, gobbed(t), fresh("value"))
	if version := record[0] & 0x0F; version != 1 {
		t.Errorf("the record is of version %d", version)
	}
	if again := written(t, gobbed(t), fresh("value")); string(again) != string(record) {
		t.Errorf("written again it is %x, and was %x", again, record)
	}
}

func TestSeed46PickleReads(t *testing.T) {
	e := fresh("value")
	got, err := gobbed(t).Deserialize(written(t, gobbed(t), e))
	sameEntry(t, got, e, err)
}

func TestSeed47PickleWritesByDefault(t *testing.T) {
	e := fresh("value")
	if byText, byHand := written(t, forText[string](t, "gob"), e), written(t, gobbed(t), e); string(byText) != string(byHand) {
		t.Errorf("gob writes %x, and by hand it is %x", byText, byHand)
	}
}

func TestSeed48PickleReadsByDefault(t *testing.T) {
	e := fresh("value")
	got, err := forText[string](t, "gob").Deserialize(written(t, gobbed(t), e))
	sameEntry(t, got, e, err)
}

func TestCachetory36Layers(t *testing.T) {
	for text, want := range map[string]int{"gob://": 1, "gob+zlib://": 2, "gob+zlib+base64://": 3} {
		if got := len(strings.Split(parsed(t, text).String(), "+")); got != want {
			t.Errorf("%s has %d layers, want %d", text, got, want)
		}
	}
}

func TestCachetory37UnknownLayer(t *testing.T) {
	for _, text := range []string{"unknown://", "json+unknown://", "unknown+zlib://"} {
		if f, err := serde.Parse(text); err == nil || !strings.Contains(err.Error(), `"unknown"`) {
			t.Errorf("%s is read as %v, %v; want an error that names the layer", text, f, err)
		}
	}
}

func TestCachetory38ChainIsComposition(t *testing.T) {
	codec, encoding := serde.JSON[string](), serde.Zlib()
	chain := serde.EncodedCodec(codec, encoding)

	plain, err := codec.Encode("value")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := encoding.Encode(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := chain.Encode("value"); err != nil || string(got) != string(encoded) {
		t.Errorf("the chain writes %x, %v; one after the other %x", got, err, encoded)
	}
	if got, err := chain.Decode(encoded); err != nil || got != "value" {
		t.Errorf("the chain reads %q, %v", got, err)
	}
	if _, err := chain.Decode(plain); !errors.Is(err, serde.ErrCorrupt) {
		t.Errorf("the chain reads what is not encoded: %v", err)
	}
}

func TestCachetory39RoundTrips(t *testing.T) {
	for _, text := range []string{"json://", "gob://", "json+zlib://?compression-level=9", "gob+zlib://", "entry-json+zlib://"} {
		s := forText[map[string]int](t, text)
		got, err := s.Deserialize(written(t, s, fresh(map[string]int{"a": 42})))
		if err != nil || len(got.Value) != 1 || got.Value["a"] != 42 {
			t.Errorf("%s: read as %v, %v", text, got, err)
		}
	}
}
