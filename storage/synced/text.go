package synced

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"unicode/utf8"
)

// replaced is what encoding/json writes in place of what is no UTF-8, and what else
// may stand for it.
var replaced = [][]byte{[]byte(`\ufffd`), []byte("\ufffd")}

// checkText says that there is text in a value that is no UTF-8: JSON would change it,
// and two keys of a map become one. It looks only where something may have been.
func checkText(value any, data []byte) error {
	for _, mark := range replaced {
		if bytes.Contains(data, mark) {
			return textIn(reflect.ValueOf(value))
		}
	}
	return nil
}

// textIn looks at all that encoding/json writes of a value. What writes itself as JSON
// is left to itself.
func textIn(v reflect.Value) error {
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	if v.CanInterface() {
		switch w := v.Interface().(type) {
		case json.Marshaler:
			return nil
		case encoding.TextMarshaler:
			text, err := w.MarshalText()
			if err != nil {
				return nil // JSON has said so
			}
			return validText(string(text))
		}
	}
	switch v.Kind() {
	case reflect.String:
		return validText(v.String())
	case reflect.Pointer, reflect.Interface:
		return textIn(v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := textIn(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			for _, one := range []reflect.Value{entry.Key(), entry.Value()} {
				if err := textIn(one); err != nil {
					return err
				}
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Tag.Get("json") == "-" || !field.IsExported() && !field.Anonymous {
				continue
			}
			if err := textIn(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func validText(text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return errText
}

var errText = errors.New("there is text in it that is no UTF-8, which JSON would change: keep it as []byte, or give a codec that writes any text by synced.Codec")
