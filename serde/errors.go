package serde

import (
	"errors"
	"fmt"
)

// Errors of Deserialize, to be told apart with errors.Is. Each means that the record can't
// be used: the next write of the key replaces it.
var (
	// ErrCorrupt says that the bytes are no whole record: damaged, cut short,
	// too long, or never one.
	ErrCorrupt = errors.New("serde: the record is damaged or none of ours: it counts as missing")
	// ErrVersion says that the record is of an envelope that this version of
	// the library does not know.
	ErrVersion = errors.New("serde: the record is of another version of the envelope: it counts as missing; give old and new code a config.Schema each")
	// ErrCodec says that another codec or other encodings wrote the record.
	ErrCodec = errors.New("serde: another codec or other encodings wrote the record: it counts as missing; give those who share a store one format")
	// ErrTooLarge says that the record decodes to more than the encoding's
	// limit.
	ErrTooLarge = errors.New("serde: the record decodes to more than the limit: it counts as missing; a greater limit is given by serde.Limited or limit=")
	// ErrValue says that the codec does not take the value, or that a whole
	// record does not hold one of this type.
	ErrValue = errors.New("serde: the codec does not take the value: if its type has changed, give it another config.Schema")
)

// ofValue is an error of a codec as an ErrValue. Those of encodings around it
// are something else already.
func ofValue(name string, err error) error {
	var encode *encodeError
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrValue) || errors.As(err, &encode) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrValue, name, err)
}
