package synced_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage/synced"
)

// named is text in the places of a struct.
type named struct {
	Name    string
	Next    *named            `json:",omitempty"`
	Tags    []string          `json:",omitempty"`
	ByTag   map[string]string `json:",omitempty"`
	Any     any
	Skipped string `json:"-"`
	own     string
	Bytes   []byte
}

// Text that is no UTF-8 is refused, and not changed, wherever in a value it is; what
// JSON keeps as it is is taken.
func TestTextThatIsNoUTF8(t *testing.T) {
	const bad, good = "\xff", "\ufffd \\ufffd ä"
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		v := variable[any](t, m, "v")
		for name, value := range map[string]any{
			"text": bad, "in text": "a" + bad + "b", "a surrogate": "\xed\xa0\x80", "half a letter": "ä"[:1],
			"in a slice": []string{"a", bad}, "in an array": [1]string{bad}, "a key": map[string]int{bad: 1}, "two keys that would be one": map[string]int{"\xff": 1, "\xfe": 2},
			"in a map": map[string]string{"a": bad}, "in a struct": named{Name: bad}, "behind a pointer": &named{Next: &named{Name: bad}},
			"in an any": named{Any: []any{map[string]any{"a": bad}}}, "beside what stands for it": []string{good, bad},
		} {
			if err := v.Set(t.Context(), value); !errors.Is(err, synced.ErrValue) || !strings.Contains(err.Error(), "UTF-8") || !strings.Contains(err.Error(), "[]byte") {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := v.Update(t.Context(), func(any) (any, error) { return value, nil }); !errors.Is(err, synced.ErrValue) {
				t.Errorf("Update to %s: %v", name, err)
			}
		}
		if asked := s.count(func() { _ = v.Set(t.Context(), bad) }); asked != 0 {
			t.Errorf("the server is asked %d times", asked)
		}
		for _, value := range []any{good, []string{good}, map[string]any{good: good}} {
			done(t, v.Set(t.Context(), value))
		}
		done(t, v.Set(t.Context(), named{Skipped: bad, own: bad, Bytes: []byte(bad)}))
		done(t, variable[json.RawMessage](t, m, "written").Set(t.Context(), json.RawMessage(`"\ufffd"`)))

		l, d := list[string](t, m, "l"), dict[string](t, m, "d")
		for name, err := range map[string]error{
			"Append": l.Append(t.Context(), bad), "Insert": l.Insert(t.Context(), 0, bad), "Remove": last(l.Remove(t.Context(), bad)),
			"Whole of a list": l.Whole().Set(t.Context(), []string{bad}),
			"Put":             d.Put(t.Context(), "k", bad), "Merge": d.Merge(t.Context(), map[string]string{"k": bad}),
			"Whole of a dict": d.Whole().Set(t.Context(), map[string]string{"\xff": "1", "\xfe": "2"}),
		} {
			if !errors.Is(err, synced.ErrValue) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := synced.NewVar(m, "d", synced.Default(bad)); !errors.Is(err, synced.ErrValue) {
			t.Errorf("Default: %v", err)
		}
		for name, text := range map[string]string{"bytes": `"a` + bad + `"`, "half": `"\ud800"`, "other half": `"\ud83d\ud83d\ude00"`} { // by another program
			s.write(t, name, text)
			s.write(t, name+" list", "["+text+"]")
			s.write(t, name+" dict", "{"+text+":"+text+"}")
			_, err := variable[string](t, m, name).Get(t.Context())
			matches(t, err, synced.ErrForeign)
			if !strings.Contains(fmt.Sprint(err), "has to write") {
				t.Errorf("there is no remedy in %v", err)
			}
			matches(t, last(list[string](t, m, name+" list").Pop(t.Context())), synced.ErrForeign)
			matches(t, last(dict[string](t, m, name+" dict").All(t.Context())), synced.ErrForeign)
		}
		for text, want := range map[string]string{`"\ud83d\ude00"`: "\U0001F600", `"\\ud800"`: `\ud800`} {
			s.write(t, want, text)
			wantValue(t, variable[string](t, m, want), want)
		}
		codec, err := serde.Raw[string]()
		done(t, err)
		raw := variable(t, m, "raw", synced.Codec(codec))
		done(t, raw.Set(t.Context(), bad))
		wantValue(t, raw, bad)
	})
}
