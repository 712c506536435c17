// Package jsontext tells whether encoding/json reads JSON as it is written. It reads
// what is no UTF-8, and an escape of half a letter, as the replacement character, and
// says nothing.
package jsontext

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	// ErrUTF8 says that there is a byte that is of no letter.
	ErrUTF8 = errors.New("there is text in it that is not UTF-8, so it is no JSON: who writes it has to write UTF-8, or such bytes in base64")
	// ErrSurrogate says that there is half of a pair of escapes, such as \ud800.
	ErrSurrogate = errors.New(`there is an escape in it that is half of a pair, such as \ud800, and stands for no text: who writes it has to write both halves, or such text in base64`)
)

// Exact is nil if all text in JSON is read as it is written. What else is wrong with
// it is its decoder's to say.
func Exact(data []byte) error {
	if !utf8.Valid(data) {
		return ErrUTF8
	}
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 || i+1 == len(data) {
			return nil
		}
		data = data[i:]
		half := unit(data)
		switch {
		case !utf16.IsSurrogate(half):
			data = data[len(`\n`):]
		case utf16.DecodeRune(half, unit(data[lenUnit:])) == utf8.RuneError:
			return ErrSurrogate
		default:
			data = data[2*lenUnit:]
		}
	}
}

const lenUnit = len(`\ud800`)

// unit is what an escape at the beginning of data says, and none of a pair's halves
// where there is none.
func unit(data []byte) rune {
	if len(data) < lenUnit || data[0] != '\\' || data[1] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(data[2:lenUnit]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(n)
}
