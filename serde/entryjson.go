package serde

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/entry"
)

// EntryJSON is the SerDe whose record is the whole entry as one JSON object, and
// nothing else. Go and Python services share entries by it: it is py-memoize's
// JsonSerDe, and around it, by Encoded, its EncodingSerDe.
//
//	{"created":1.0,"update_after":2.0,"expires_after":3.5,"value":{"a":[1,null]}}
//
// The instants are seconds since the epoch. They are written to the nanosecond,
// and come back so from what Go has written. Python has them as floats and rounds
// them to microseconds; floats of the present time are a quarter of a microsecond
// apart. Integers are read too. What lies past the end of time is
// Never, which is written as 9223372036.854775807, in the year 2262, which
// Python can read; what lies before its beginning is refused, and so is a number
// that is none for Go (NaN, Infinity, 1e400).
//
// Values are as JSON's are. There is no checksum, and records of other types of
// value are only told apart as far as their JSON is: give each function a name
// and schema of its own.
func EntryJSON[V any]() SerDe[V] {
	same := func(v V) (V, error) { return v, nil }
	return entryJSON[V, V]{same, same}
}

// EntryJSONOf is EntryJSON for values that have another form in the record: to
// gives it and from undoes it, as value_to_reversible_repr and
// reversible_repr_to_value do in py-memoize. Both are called concurrently. It is
// an error if one is nil.
func EntryJSONOf[V, R any](to func(V) (R, error), from func(R) (V, error)) (SerDe[V], error) {
	if to == nil || from == nil {
		return nil, errNilFunction("EntryJSONOf")
	}
	return entryJSON[V, R]{to, from}, nil
}

type entryJSON[V, R any] struct {
	to   func(V) (R, error)
	from func(R) (V, error)
}

func (s entryJSON[V, R]) Serialize(e *entry.Entry[V]) ([]byte, error) {
	if e == nil {
		return nil, errNoEntry
	}
	if e.Negative() != nil {
		return nil, errNegative
	}
	form, err := s.to(e.Value)
	if err != nil {
		return nil, ofValue("EntryJSONOf", err)
	}
	value, err := marshalJSON(&form)
	if err != nil {
		return nil, ofValue("json", err)
	}
	record := make([]byte, 0, len(value)+128)
	record = appendSeconds(append(record, `{"created":`...), e.Created())
	record = appendSeconds(append(record, `,"update_after":`...), e.UpdateAfter())
	record = appendSeconds(append(record, `,"expires_after":`...), e.ExpiresAfter())
	record = append(append(record, `,"value":`...), value...)
	return append(record, '}'), nil
}

var errNegative = errors.New("serde: the format of EntryJSON has no negative answers: use a SerDe that is serde.Whole, as Envelope is")

func (s entryJSON[V, R]) Deserialize(data []byte) (*entry.Entry[V], error) {
	var fields struct {
		Created      json.RawMessage `json:"created"`
		UpdateAfter  json.RawMessage `json:"update_after"`
		ExpiresAfter json.RawMessage `json:"expires_after"`
		Value        json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	var instants [3]entry.Instant
	for i, text := range []json.RawMessage{fields.Created, fields.UpdateAfter, fields.ExpiresAfter} {
		var err error
		if instants[i], err = readSeconds(string(text)); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, [...]string{"created", "update_after", "expires_after"}[i], err)
		}
	}
	if fields.Value == nil {
		return nil, fmt.Errorf("%w: there is no value", ErrCorrupt)
	}
	var form R
	if err := unmarshalJSON(fields.Value, &form); err != nil {
		return nil, ofValue("json", err)
	}
	value, err := s.from(form)
	if err != nil {
		return nil, ofValue("EntryJSONOf", err)
	}
	return entry.Restore(value, instants[0], instants[1], instants[2]), nil
}
