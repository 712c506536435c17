package serde_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

type (
	textual  struct{ b []byte } // writes its bytes as text
	selfMade struct{ b []byte } // writes its bytes as JSON of a text
	verbatim struct{ b []byte } // writes its bytes as JSON
	careful  struct{ S string } // writes every character outside of ASCII as an escape
	inside   struct {
		A string         `json:"a,omitempty"`
		B *string        `json:",omitempty"`
		C []string       `json:",omitempty"`
		D map[string]int `json:",omitempty"`
		E any            `json:",omitempty"`
		F string         `json:",string,omitempty"`
		G []byte         `json:",omitempty"`
		H string         `json:"-"`
		I json.RawMessage
	}
)

func (t textual) MarshalText() ([]byte, error)   { return t.b, nil }
func (t *textual) UnmarshalText(b []byte) error  { t.b = append([]byte{}, b...); return nil }
func (t selfMade) MarshalJSON() ([]byte, error)  { return json.Marshal(string(t.b)) }
func (t *selfMade) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*rawText)(&t.b)) }
func (t verbatim) MarshalJSON() ([]byte, error)  { return t.b, nil }
func (t *verbatim) UnmarshalJSON(b []byte) error { t.b = append([]byte{}, b...); return nil }
func (t careful) MarshalJSON() ([]byte, error) {
	out := []byte(`"`)
	for _, r := range t.S {
		out = append(out, []byte(map[bool]string{true: `\ufffd`, false: string(r)}[r == '\ufffd'])...)
	}
	return append(out, '"'), nil
}
func (t *careful) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &t.S) }

type rawText []byte

func (r *rawText) UnmarshalJSON(b []byte) error {
	var s string
	err := json.Unmarshal(b, &s)
	*r = rawText(s)
	return err
}

// Whatever a store gives back is what was given to it: text that JSON can't hold is
// refused, wherever it stands, and all other text comes back as it was.
func TestJSONKeepsTextOrRefusesIt(t *testing.T) {
	bad, escape, character := "a\xffb", `a\ufffdb`, "a\ufffdb"
	refusesText(t, bad)
	refusesText(t, any(bad))
	refusesText(t, label(bad))
	refusesText(t, []any{1, map[string]any{"x": []string{bad}}})
	refusesText(t, map[string]int{"\xff": 1, "\xfe": 2}) // would be one key
	refusesText(t, map[label]int{label(bad): 1})
	refusesText(t, "\xed\xa0\x80") // half of a pair
	refusesText(t, character+bad)
	refusesText(t, escape+bad)
	refusesText(t, inside{A: bad})
	refusesText(t, inside{B: &bad})
	refusesText(t, inside{C: []string{"", bad}})
	refusesText(t, inside{D: map[string]int{bad: 1}})
	refusesText(t, inside{E: bad})
	refusesText(t, inside{F: bad})
	refusesText(t, &inside{A: bad})
	refusesText(t, textual{[]byte(bad)})
	refusesText(t, selfMade{[]byte(bad)})
	refusesText(t, verbatim{[]byte(`"` + bad + `"`)})
	refusesText(t, json.RawMessage(`"`+bad+`"`))
	refusesText(t, json.RawMessage(`"\ud800"`))

	for _, text := range []string{"", escape, character, "\U0001FAE9 <&>\u2028", `\\ufffd`, `"\ufffd"`} {
		keepsText(t, text)
		keepsText(t, any(text))
		keepsText(t, []any{text, map[string]any{text: text}})
		keepsText(t, inside{A: text, B: &text, C: []string{text}, D: map[string]int{text: 1}, E: text, F: text, G: []byte(bad), I: json.RawMessage(`{}`)})
		keepsText(t, textual{[]byte(text)})
		keepsText(t, selfMade{[]byte(text)})
	}
	keepsText(t, careful{character})
	keepsText(t, []byte(bad))
	keepsText(t, json.RawMessage(`["\ufffd","`+character+`"]`))
	keepsText(t, inside{I: json.RawMessage(`"\ufffd"`)})
}

// What another program has written is not changed either.
func TestJSONReadsTextAsItIsOrRefusesIt(t *testing.T) {
	for _, text := range []string{`"\ud800"`, `"a\udc00\ud800b"`, `["a", {"\ud800": 1}]`, "\"a\xff\""} {
		if value, err := serde.JSON[any]().Decode([]byte(text)); err == nil {
			t.Errorf("%s is read as %q", text, value)
		}
		record := `{"created":1,"update_after":2,"expires_after":3,"value":` + text + `}`
		if e, err := serde.EntryJSON[any]().Deserialize([]byte(record)); !errors.Is(err, serde.ErrValue) {
			t.Errorf("%s is read as %v, %v", record, e, err)
		}
	}
	for text, want := range map[string]string{`"\ud83d\ude00"`: "\U0001F600", `"\\ud800"`: `\ud800`, `"\ufffd"`: "\ufffd"} {
		if value, err := serde.JSON[string]().Decode([]byte(text)); err != nil || value != want {
			t.Errorf("%s is read as %q, %v", text, value, err)
		}
	}
}

// textCodecs are those that write text as JSON does.
func textCodecs[V any]() []serde.SerDe[V] {
	same := func(v V) (V, error) { return v, nil }
	of, err := serde.EntryJSONOf(same, same)
	if err != nil {
		panic(err)
	}
	return []serde.SerDe[V]{serde.Envelope(serde.JSON[V]()), serde.EntryJSON[V](), of}
}

func refusesText[V any](t *testing.T, value V) {
	t.Helper()
	for _, s := range textCodecs[V]() {
		if record, err := s.Serialize(entry.New(value, born, entry.Life{ExpireAfter: time.Hour})); !errors.Is(err, serde.ErrValue) {
			t.Errorf("%T: %#v is written as %q, %v, want ErrValue", s, value, record, err)
		}
	}
}

func keepsText[V any](t *testing.T, value V) {
	t.Helper()
	for _, s := range textCodecs[V]() {
		record, err := s.Serialize(entry.New(value, born, entry.Life{ExpireAfter: time.Hour}))
		if err != nil {
			t.Errorf("%T: %#v: %v", s, value, err)
			continue
		}
		if e, err := s.Deserialize(record); err != nil || !reflect.DeepEqual(e.Value, value) {
			t.Errorf("%T: %#v is read from %q as %#v, %v", s, value, record, e.Value, err)
		}
	}
}

// The remedies that the error names keep it.
func TestGobAndRawKeepTextThatIsNotUTF8(t *testing.T) {
	const bad = "a\xffb"
	comesBackAs(t, made(serde.Raw[string]()), bad)
	comesBackAs(t, made(serde.Gob[string]()), bad)
	comesBackAs(t, made(serde.Gob[map[label][]any]()), map[label][]any{bad: {bad}})
	comesBackAs(t, made(serde.Gob[inside]()), inside{A: bad, C: []string{bad}, E: bad})
	comesBackAs(t, serde.JSON[[]byte](), []byte(bad))
}

func comesBackAs[V any](t *testing.T, c serde.Codec[V], value V) {
	t.Helper()
	data, err := c.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := c.Decode(data); err != nil || !reflect.DeepEqual(back, value) {
		t.Errorf("%T: %#v comes back as %#v, %v", c, value, back, err)
	}
}

func FuzzJSONKeepsTextOrRefusesIt(f *testing.F) {
	for _, s := range []string{"", "\xff", "\ufffd", `\ufffd`, "\ufffd\xff", "<\u2028>"} {
		f.Add(s)
	}
	s := serde.Envelope(serde.JSON[map[string]any]())
	f.Fuzz(func(t *testing.T, text string) {
		value := map[string]any{text: text}
		record, err := s.Serialize(entry.New(value, born, entry.Life{ExpireAfter: time.Hour}))
		if err != nil {
			return
		}
		if e, err := s.Deserialize(record); err != nil || !reflect.DeepEqual(e.Value, value) {
			t.Errorf("%q comes back as %v, %v", text, e, err)
		}
	})
}
