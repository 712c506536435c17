package serde

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"unicode/utf8"

	"github.com/perennial-go/perennial/internal/jsontext"
)

// JSON returns the codec of encoding/json, the default. People and other languages can read
// its values. Fields that are not exported are lost, as in Gob, and numbers in an any become
// float64, which Gob keeps as they are. Text that is not UTF-8 is an error, anywhere in the
// value, when it is written and when it is read: JSON has no form for it. So is an escape of
// half a letter, such as \ud800: other languages write both. Gob, Raw and a []byte, which
// becomes base64, keep such text.
func JSON[V any]() Codec[V] { return &codec[V]{functions: jsonFunctions} }

var jsonFunctions = func() *functions {
	f := pair("json", marshalJSON, unmarshalJSON)
	f.remedy, f.itself = jsonRemedy, writesItsJSON
	return f
}()

// marshalJSON is json.Marshal of what message points to, or an error where that
// would change text: in place of each byte that is not UTF-8 it writes replaced. A
// json.Marshaler's bytes it takes as they come.
func marshalJSON(message any) ([]byte, error) {
	data, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if jsontext.Exact(data) != nil || bytes.Contains(data, replaced) && !comesBack(message, data) {
		return nil, errNotUTF8
	}
	return data, nil
}

// unmarshalJSON is json.Unmarshal, or an error where that would change text.
func unmarshalJSON(data []byte, message any) error {
	if err := jsontext.Exact(data); err != nil {
		return err
	}
	return json.Unmarshal(data, message)
}

var errNotUTF8 = errors.New("there is text in it that is not UTF-8, which JSON can't hold: make it a []byte, or take gob, or raw for strings")

// replaced is what json.Marshal writes in place of a byte that is not UTF-8. It
// is an escape by Go's own will, with GOEXPERIMENT=jsonv2 the character itself.
var replaced = func() []byte {
	data, err := json.Marshal("\xff")
	if err != nil {
		panic(err)
	}
	return bytes.Trim(data, `"`)
}()

// comesBack reports whether what looks as if a byte were replaced was so in the value:
// a backslash and ufffd in a text, an escape of a json.Marshaler's. What is written
// of what was read then has it as well; in place of a byte that was replaced there
// is the character. Where that is written as it is nothing but the value can tell,
// and one that does not come back the same is taken for changed.
func comesBack(message any, data []byte) bool {
	back := reflect.New(reflect.TypeOf(message).Elem()).Interface()
	if err := json.Unmarshal(data, back); err != nil {
		return false
	}
	if utf8.RuneCount(replaced) == 1 {
		return reflect.DeepEqual(message, back)
	}
	again, err := json.Marshal(back)
	return err == nil && bytes.Count(again, replaced) == bytes.Count(data, replaced)
}
