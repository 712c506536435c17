package serde_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/serde"
)

// closed shows nothing of itself; sealed does, by methods.
type closed struct{ _ string }

type sealed struct{ name string }

func (s *sealed) MarshalBinary() ([]byte, error)    { return []byte(s.name), nil }
func (s *sealed) UnmarshalBinary(data []byte) error { s.name = string(data); return nil }

// outcome is what came of making a codec.
type outcome struct {
	of   string
	made bool
	err  error
}

func try[V any](c serde.Codec[V], err error) outcome {
	return outcome{reflect.TypeFor[V]().String(), c != nil, err}
}

// tryFor is the same by a format.
func tryFor[V any](t *testing.T, text string) outcome {
	t.Helper()
	f, err := serde.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.For[V](f)
	return outcome{reflect.TypeFor[V]().String(), s != nil, err}
}

func TestTypesThatFit(t *testing.T) {
	for what, all := range map[string][]outcome{
		"raw": {
			try(serde.Raw[string]()), try(serde.Raw[label]()), try(serde.Raw[[]byte]()), try(serde.Raw[blob]()), try(serde.Raw[json.RawMessage]()),
			tryFor[string](t, "raw"), tryFor[blob](t, "raw+zlib"),
		},
		"gob": {
			try(serde.Gob[user]()), try(serde.Gob[*user]()), try(serde.Gob[any]()), try(serde.Gob[sealed]()), try(serde.Gob[*sealed]()), try(serde.Gob[time.Time]()),
			try(serde.Gob[[]string]()), try(serde.Gob[map[string]*user]()), tryFor[user](t, "gob"),
		},
		"binary": {
			try(serde.Binary[time.Time]()), try(serde.Binary[*time.Time]()), try(serde.Binary[url.URL]()), try(serde.Binary[*url.URL]()),
			try(serde.Binary[sealed]()), try(serde.Binary[*sealed]()), tryFor[time.Time](t, "binary"),
		},
		"json": {
			tryFor[user](t, "json"), tryFor[*user](t, "json"), tryFor[any](t, "json"), tryFor[closed](t, "json"), tryFor[user](t, "entry-json+zip"),
		},
		"proto": {try(serde.Pair[*note]("proto", protoMarshal, protoUnmarshal)), try(serde.Pair[note]("proto", protoMarshal, protoUnmarshal))},
	} {
		for _, o := range all {
			if !o.made || o.err != nil {
				t.Errorf("%s of %s: %v", what, o.of, o.err)
			}
		}
	}
}

func TestTypesThatDoNotFit(t *testing.T) {
	for what, all := range map[string][]outcome{
		"raw": {
			try(serde.Raw[user]()), try(serde.Raw[*string]()), try(serde.Raw[int]()), try(serde.Raw[[]rune]()), try(serde.Raw[any]()), try(serde.Raw[[4]byte]()),
			tryFor[user](t, "raw"), tryFor[int](t, "raw+zlib"),
		},
		"gob": {
			try(serde.Gob[closed]()), try(serde.Gob[*closed]()), try(serde.Gob[struct{}]()), try(serde.Gob[chan int]()), try(serde.Gob[func()]()),
			try(serde.Gob[struct{ C chan int }]()), tryFor[closed](t, "gob"),
		},
		"binary": {
			try(serde.Binary[string]()), try(serde.Binary[user]()), try(serde.Binary[*user]()), try(serde.Binary[**sealed]()), try(serde.Binary[any]()),
			tryFor[user](t, "binary"),
		},
		"json":  {tryFor[chan int](t, "json"), tryFor[func()](t, "json+zlib"), tryFor[complex128](t, "json"), tryFor[*chan int](t, "entry-json")},
		"proto": {try(serde.Pair[user]("proto", protoMarshal, protoUnmarshal)), try(serde.Pair[message]("proto", protoMarshal, protoUnmarshal))},
	} {
		for _, o := range all {
			if o.made || o.err == nil || !strings.Contains(o.err.Error(), what) || !strings.Contains(o.err.Error(), o.of) {
				t.Errorf("%s of %s: made: %v, error: %v; want an error that names both", what, o.of, o.made, o.err)
			}
		}
	}
}

func TestPairsAndFuncsThatAreWrong(t *testing.T) {
	read := func([]byte) (int, error) { return 0, nil }
	write := func(int) ([]byte, error) { return nil, nil }
	for name, o := range map[string]outcome{
		"no name":               try(serde.Funcs("", write, read)),
		"a plus in the name":    try(serde.Funcs("json+zlib", write, read)),
		"a space in the name":   try(serde.Pair[int]("a b", json.Marshal, json.Unmarshal)),
		"no function to write":  try(serde.Funcs("a", nil, read)),
		"no function to read":   try(serde.Funcs("a", write, nil)),
		"no function to write ": try(serde.Pair[int, any]("a", nil, json.Unmarshal)),
		"no function to read ":  try(serde.Pair[int]("a", json.Marshal, nil)),
	} {
		if o.made || o.err == nil || !strings.HasPrefix(o.err.Error(), "serde: ") {
			t.Errorf("%s: made: %v, error: %v", name, o.made, o.err)
		}
	}
	if s, err := serde.EntryJSONOf[int, string](nil, nil); s != nil || err == nil {
		t.Errorf("EntryJSONOf(nil, nil) is %v, %v", s, err)
	}
}

// A first byte that is not what Encode writes is an error, not a nil.
func TestNilMarks(t *testing.T) {
	for name, c := range map[string]serde.Codec[*sealed]{
		"gob": made(serde.Gob[*sealed]()), "binary": made(serde.Binary[*sealed]()),
	} {
		data, err := c.Encode(nil)
		if err != nil || len(data) != 1 || data[0] != 0 {
			t.Errorf("%s: nil is written as %q, %v", name, data, err)
		}
		for _, bad := range []string{"", "\x00\x00", "\x02", "\xff", "x"} {
			if v, err := c.Decode([]byte(bad)); err == nil {
				t.Errorf("%s: %q is read as %v", name, bad, v)
			}
		}
	}
}

func TestGobRecordsStandAlone(t *testing.T) {
	c := made(serde.Gob[user]())
	first, err := c.Encode(user{Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Encode(user{Name: "second"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Decode(second); err != nil || got.Name != "second" {
		t.Errorf("the second record by itself is read as %+v, %v", got, err)
	}
	if got, err := c.Decode(append(second, first...)); err == nil {
		t.Errorf("two records are read as %+v", got)
	}
}

// The codecs refuse what they would change in silence, or say so.
func TestValuesThatCannotBeWritten(t *testing.T) {
	s := serde.Envelope(serde.JSON[any]())
	for name, v := range map[string]any{"NaN": math.NaN(), "a channel": make(chan int), "a map of structs": map[struct{ A int }]int{{1}: 2}} {
		if record, err := s.Serialize(fresh(v)); !errors.Is(err, serde.ErrValue) {
			t.Errorf("%s is written as %q, %v; want ErrValue", name, record, err)
		}
	}
	g := serde.Envelope(made(serde.Gob[[]*int]()))
	if record, err := g.Serialize(fresh([]*int{nil})); !errors.Is(err, serde.ErrValue) {
		t.Errorf("a nil in a slice is written as %q, %v; want ErrValue", record, err)
	}
}

// shy writes itself by a method of its pointer.
type shy struct{ name string }

func (s *shy) MarshalJSON() ([]byte, error)    { return json.Marshal("shy " + s.name) }
func (s *shy) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &s.name) }

// A method that reads is found on a pointer, so the one that writes is too.
func TestMethodsOfPointersAreFound(t *testing.T) {
	for name, s := range map[string]serde.SerDe[shy]{"json": serde.Envelope(serde.JSON[shy]()), "entry-json": serde.EntryJSON[shy]()} {
		if e, err := s.Deserialize(written(t, s, fresh(shy{"one"}))); err != nil || e.Value.name != "shy one" {
			t.Errorf("%s: read as %v, %v", name, e, err)
		}
	}
}

// What is wrong with an encoding is not wrong with the value.
func TestErrorsInAnEnvelope(t *testing.T) {
	inner := func(payload []byte) []byte { return header("json+zlib", 0xE1, 0, 0, 1, 2, payload) }
	s := serde.Envelope(serde.EncodedCodec(serde.JSON[string](), serde.Limited(serde.Zlib(), 10)))
	large, err := serde.Zlib().Encode([]byte(`"more than ten bytes"`))
	if err != nil {
		t.Fatal(err)
	}
	other, err := serde.Zlib().Encode([]byte("[]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		payload []byte
		want    error
	}{{[]byte("garbage"), serde.ErrCorrupt}, {large, serde.ErrTooLarge}, {other, serde.ErrValue}} {
		_, err := s.Deserialize(inner(c.payload))
		for _, is := range ours {
			if errors.Is(err, is) != (is == c.want) {
				t.Errorf("%q: the error is %v; is that %q?", c.payload, err, is)
			}
		}
	}
}
