package jsontext

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExact(t *testing.T) {
	for text, want := range map[string]error{
		"":                           nil,
		`"a"`:                        nil,
		`"\ud83d\ude00"`:             nil,
		`"\uD83D\uDE00\ud83d\ude00"`: nil,
		`"\\ud800"`:                  nil,
		`"\\\\ud800 \ufffd \n\"\\"`:  nil,
		"\"\ufffd\U0001FAE9\"":       nil,
		`"\u00e4 \u`:                 nil,
		`"\`:                         nil,
		`"\ud8`:                      nil,
		`"\ud800"`:                   ErrSurrogate,
		`"\uDFFF"`:                   ErrSurrogate,
		`"\\\ud800"`:                 ErrSurrogate,
		`"\ude00\ud83d"`:             ErrSurrogate,
		`"\ud83d\ud83d\ude00"`:       ErrSurrogate,
		`"\ud83d\\ude00"`:            ErrSurrogate,
		`"\ud83d ude00"`:             ErrSurrogate,
		`"\ud83d\ude0"`:              ErrSurrogate,
		`["a", {"\ud800": 1}]`:       ErrSurrogate,
		"\"\xff\"":                   ErrUTF8,
		"\"\xed\xa0\x80\"":           ErrUTF8,
	} {
		if err := Exact([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

// What is JSON and has no replacement character in it is exact if none is read of it.
func FuzzExact(f *testing.F) {
	for _, text := range []string{`"\ud83d\ude00"`, `"\\ud800"`, `"\ud800"`, `["\udc00\ud800", {"\n\u0041": "\""}]`, "\"\xff\""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "\ufffd") || strings.Contains(strings.ToLower(text), `\ufffd`) || !json.Valid([]byte(text)) {
			return
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return // a number that is too large
		}
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Contains(string(again), "\ufffd")
		twice := strings.Contains(text, "{") // an object may name a key twice, of which the first is lost
		if err := Exact([]byte(text)); err == nil && changed || err != nil && !changed && !twice {
			t.Errorf("%s is read as %s, and said to be %v", text, again, err)
		}
	})
}
