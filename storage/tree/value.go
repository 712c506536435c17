package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/perennial-go/perennial/internal/jsontext"
)

var errUTF8 = errors.New("there is text that is no UTF-8: encode it, say as []byte")

// encodeValue is the JSON of a value, on one line. What it can't say is an error
// in place of something else.
func encodeValue(v reflect.Value) (json.RawMessage, error) {
	if !v.IsValid() {
		return json.RawMessage("null"), nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v.Interface()); err != nil {
		return nil, err
	}
	if replaced(text.Bytes()) {
		return nil, errUTF8
	}
	if err := jsontext.Exact(text.Bytes()); err != nil { // what a json.Marshaler has written
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// replaced reports whether the encoder has put the replacement character where it
// found no UTF-8: it escapes that one, and writes those that were there as they
// are.
func replaced(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 || i+1 == len(text) {
			return false
		}
		if bytes.HasPrefix(text[i:], []byte(`\ufffd`)) {
			return true
		}
		text = text[i+2:]
	}
}

// decodeValue is what a leaf's JSON says. Integers stay exact: see number.
func decodeValue(text string) (any, error) {
	switch text {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	if plain(text) {
		return text[1 : len(text)-1], nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text == strconv.FormatInt(n, 10) {
		return n, nil
	}
	if err := jsontext.Exact([]byte(text)); err != nil {
		return nil, err
	}
	var value any
	if err := decodeInto(text, &value); err != nil {
		return nil, err
	}
	return numbers(value), nil
}

// plain reports whether JSON is a text without anything escaped.
func plain(text string) bool {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return false
	}
	text = text[1 : len(text)-1]
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(text)
}

// decodeInto is json.Unmarshal, with exact numbers where the type is open.
func decodeInto(text string, to any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(to); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// numbers has every json.Number in a value be what number says.
func numbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		return number(value)
	case []any:
		for i, element := range value {
			value[i] = numbers(element)
		}
	case map[string]any:
		for key, element := range value {
			value[key] = numbers(element)
		}
	}
	return value
}

// number is an int64 or uint64 if it is an integer that fits, a float64 if it
// has a fraction or an exponent and fits, else the number as it is written.
func number(n json.Number) any {
	text := n.String()
	if strings.ContainsAny(text, ".eE") {
		if f, err := n.Float64(); err == nil {
			return f
		}
		return n
	}
	if i, err := n.Int64(); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u
	}
	return n
}
