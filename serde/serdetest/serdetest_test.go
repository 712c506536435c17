package serdetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/serde"
)

var values = [][]byte{{}, []byte("a"), []byte("value"), bytes.Repeat([]byte("long "), 500)}

func raw() serde.Codec[[]byte] {
	c, err := serde.Raw[[]byte]()
	if err != nil {
		panic(err)
	}
	return c
}

func onSerDe(broken func() serde.SerDe[[]byte]) func() serDes[[]byte] {
	return func() serDes[[]byte] { return serDes[[]byte]{broken, subject[[]byte]{values, bytes.Equal}} }
}

func onCodec(broken func() serde.Codec[[]byte]) func() codecs[[]byte] {
	return func() codecs[[]byte] { return codecs[[]byte]{broken, subject[[]byte]{values, bytes.Equal}} }
}

// Each broken SerDe is an envelope with one thing wrong.

type sd struct{ serde.SerDe[[]byte] }

func good() sd { return sd{serde.Envelope(raw())} }

// emptyIsNothing takes an empty value for none.
type emptyIsNothing struct{ sd }

func (s emptyIsNothing) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	e, err := s.sd.Deserialize(data)
	if err == nil && len(e.Value) == 0 {
		return nil, nil
	}
	return e, err
}

// changes does that to values on the way.
type changes struct{ sd }

func (s changes) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	e, err := s.sd.Deserialize(data)
	if err == nil {
		e.Value = bytes.ToUpper(e.Value)
	}
	return e, err
}

// inMilliseconds loses what is finer than that.
type inMilliseconds struct{ sd }

func (s inMilliseconds) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	e, err := s.sd.Deserialize(data)
	if err != nil {
		return nil, err
	}
	return entry.Restore(e.Value, e.Created()/1e6*1e6, e.UpdateAfter()/1e6*1e6, e.ExpiresAfter()/1e6*1e6), nil
}

// hasNoNever takes the last instant for any other.
type hasNoNever struct{ sd }

func (s hasNoNever) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	e, err := s.sd.Deserialize(data)
	if err == nil && e.ExpiresAfter() == entry.Never {
		return entry.Restore(e.Value, e.Created(), e.UpdateAfter(), entry.Never-1), nil
	}
	return e, err
}

// keyed writes what only it can read.
type keyed struct {
	sd
	key byte
}

func (s keyed) Serialize(e *entry.Entry[[]byte]) ([]byte, error) {
	data, err := s.sd.Serialize(e)
	return append([]byte{s.key}, data...), err
}

func (s keyed) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	if len(data) == 0 || data[0] != s.key {
		return nil, serde.ErrCorrupt
	}
	return s.sd.Deserialize(data[1:])
}

// oneBuffer writes every record to the same place.
type oneBuffer struct {
	sd
	buf []byte
}

func (s *oneBuffer) Serialize(e *entry.Entry[[]byte]) ([]byte, error) {
	data, err := s.sd.Serialize(e)
	if s.buf == nil {
		s.buf = make([]byte, 0, 1<<16)
	}
	s.buf = append(s.buf[:0], data...)
	return s.buf, err
}

// refers returns values that are part of the record.
type refers struct{ sd }

func (s refers) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	e, err := s.sd.Deserialize(data)
	if err == nil {
		e.Value = data[32:]
	}
	return e, err
}

// scribbles leaves its mark on the record.
type scribbles struct{ sd }

func (s scribbles) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	e, err := s.sd.Deserialize(data)
	if len(data) > 0 {
		data[0] = 0
	}
	return e, err
}

// bare takes every byte it gets for a value.
type bare struct{ sd }

func (bare) Serialize(e *entry.Entry[[]byte]) ([]byte, error) {
	if e == nil {
		return nil, errors.New("no entry")
	}
	return bytes.Clone(e.Value), nil
}
func (bare) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	return fresh(bytes.Clone(data)), nil
}

// both returns an entry and an error.
type both struct{ sd }

func (s both) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	e, err := s.sd.Deserialize(data)
	if err != nil {
		e = fresh([]byte(nil))
	}
	return e, err
}

// panicky does not look before it reads.
type panicky struct{ sd }

func (s panicky) Deserialize(data []byte) (*entry.Entry[[]byte], error) {
	_ = data[31]
	return s.sd.Deserialize(data)
}

// writesNothing writes no entry as one that is empty.
type writesNothing struct{ sd }

func (s writesNothing) Serialize(e *entry.Entry[[]byte]) ([]byte, error) {
	if e == nil {
		e = fresh([]byte(nil))
	}
	return s.sd.Serialize(e)
}

// tires does its work some times and no more.
type tires struct {
	sd
	done *atomic.Int32
}

func (s tires) Serialize(e *entry.Entry[[]byte]) ([]byte, error) {
	if s.done.Add(1) > 20 {
		return nil, errors.New("tired")
	}
	return s.sd.Serialize(e)
}

// instances numbers what is made.
var instances atomic.Int32

func TestSuiteFindsBrokenSerDes(t *testing.T) {
	for name, broken := range map[string]struct {
		check string
		new   func() serde.SerDe[[]byte]
	}{
		"changes values":         {"a value comes back as it was", func() serde.SerDe[[]byte] { return changes{good()} }},
		"takes empty for none":   {"a value comes back as it was", func() serde.SerDe[[]byte] { return emptyIsNothing{good()} }},
		"takes zero for none":    {"the zero value is a value", func() serde.SerDe[[]byte] { return emptyIsNothing{good()} }},
		"is not exact":           {"the instants come back, to the microsecond", func() serde.SerDe[[]byte] { return inMilliseconds{good()} }},
		"has no Never":           {"the instants come back, to the microsecond", func() serde.SerDe[[]byte] { return hasNoNever{good()} }},
		"has a key of its own":   {"records are read by another of its kind", func() serde.SerDe[[]byte] { return keyed{good(), byte(instances.Add(1))} }},
		"has one buffer":         {"a record is the caller's", func() serde.SerDe[[]byte] { return &oneBuffer{sd: good()} }},
		"refers to the record":   {"an entry does not depend on the bytes it was read from", func() serde.SerDe[[]byte] { return refers{good()} }},
		"writes to the record":   {"reading does not change the record", func() serde.SerDe[[]byte] { return scribbles{good()} }},
		"has no checksum":        {"a record that is cut short is never another value", func() serde.SerDe[[]byte] { return bare{good()} }},
		"panics when cut":        {"a record that is cut short is never another value", func() serde.SerDe[[]byte] { return panicky{good()} }},
		"takes what it gets":     {"garbage is an error", func() serde.SerDe[[]byte] { return bare{good()} }},
		"returns both":           {"garbage is an error", func() serde.SerDe[[]byte] { return both{good()} }},
		"panics on few bytes":    {"garbage is an error", func() serde.SerDe[[]byte] { return panicky{good()} }},
		"writes what is nothing": {"no entry is an error", func() serde.SerDe[[]byte] { return writesNothing{good()} }},
		"tires":                  {"concurrent use", func() serde.SerDe[[]byte] { return tires{good(), new(atomic.Int32)} }},
	} {
		t.Run(name, func(t *testing.T) {
			if len(checks.Failed(serDeSuite[[]byte](), broken.check, onSerDe(broken.new))) == 0 {
				t.Errorf("the check %q does not fail", broken.check)
			}
		})
	}
}

// Each broken codec is Raw with one thing wrong.

type codec struct {
	serde.Codec[[]byte]
	encode func(value []byte) ([]byte, error)
	decode func(data []byte) ([]byte, error)
}

func (c codec) Encode(value []byte) ([]byte, error) {
	if c.encode == nil {
		return c.Codec.Encode(value)
	}
	return c.encode(value)
}

func (c codec) Decode(data []byte) ([]byte, error) {
	if c.decode == nil {
		return c.Codec.Decode(data)
	}
	return c.decode(data)
}

// renamed has another name each time.
type renamed struct {
	codec
	name string
}

func (c renamed) Name() string { return c.name }

func TestSuiteFindsBrokenCodecs(t *testing.T) {
	for name, broken := range map[string]struct {
		check string
		new   func() serde.Codec[[]byte]
	}{
		"changes values": {"a value comes back as it was", func() serde.Codec[[]byte] {
			return codec{Codec: raw(), encode: func(v []byte) ([]byte, error) { return bytes.ToUpper(v), nil }}
		}},
		"takes empty for none": {"the zero value is a value", func() serde.Codec[[]byte] {
			return codec{Codec: raw(), decode: func(data []byte) ([]byte, error) {
				if len(data) == 0 {
					return nil, errors.New("there is no value")
				}
				return bytes.Clone(data), nil
			}}
		}},
		"has a key of its own": {"values are read by another of its kind", func() serde.Codec[[]byte] {
			key := byte(instances.Add(1))
			return codec{raw(), func(v []byte) ([]byte, error) { return append([]byte{key}, v...), nil }, func(data []byte) ([]byte, error) {
				if len(data) == 0 || data[0] != key {
					return nil, errors.New("another has written it")
				}
				return bytes.Clone(data[1:]), nil
			}}
		}},
		"has one buffer": {"the bytes are the caller's", func() serde.Codec[[]byte] {
			buf := make([]byte, 0, 1<<16)
			return codec{Codec: raw(), encode: func(v []byte) ([]byte, error) {
				buf = append(buf[:0], v...)
				return buf, nil
			}}
		}},
		"hands the value out": {"the bytes are the caller's", func() serde.Codec[[]byte] {
			return codec{Codec: raw(), encode: func(v []byte) ([]byte, error) { return v, nil }}
		}},
		"refers to the bytes": {"a value does not depend on the bytes it was read from", func() serde.Codec[[]byte] {
			return codec{Codec: raw(), decode: func(data []byte) ([]byte, error) { return data, nil }}
		}},
		"writes to the bytes": {"reading does not change the bytes", func() serde.Codec[[]byte] {
			return codec{Codec: raw(), decode: func(data []byte) ([]byte, error) {
				v := bytes.Clone(data)
				scribble(data)
				return v, nil
			}}
		}},
		"panics on nothing": {"whatever is read, it does not panic", func() serde.Codec[[]byte] {
			return codec{Codec: raw(), decode: func(data []byte) ([]byte, error) { return append([]byte{data[0]}, data[1:]...), nil }}
		}},
		"has many names": {"its name is the same each time", func() serde.Codec[[]byte] {
			return renamed{codec{Codec: raw()}, fmt.Sprint(instances.Add(1))}
		}},
		"has no name": {"its name is the same each time", func() serde.Codec[[]byte] { return renamed{codec{Codec: raw()}, ""} }},
		"tires": {"concurrent use", func() serde.Codec[[]byte] {
			var done atomic.Int32
			return codec{Codec: raw(), encode: func(v []byte) ([]byte, error) {
				if done.Add(1) > 20 {
					return nil, errors.New("tired")
				}
				return bytes.Clone(v), nil
			}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if len(checks.Failed(codecSuite[[]byte](), broken.check, onCodec(broken.new))) == 0 {
				t.Errorf("the check %q does not fail", broken.check)
			}
		})
	}
}

// Each broken encoding is one that does nothing, with one thing wrong.

type plain struct {
	name   string
	encode func(data []byte) ([]byte, error)
	decode func(data []byte, limit int) ([]byte, error)
}

func (e plain) Name() string { return e.name }

func (e plain) Encode(data []byte) ([]byte, error) {
	if e.encode == nil {
		return bytes.Clone(data), nil
	}
	return e.encode(data)
}

func (e plain) Decode(data []byte, limit int) ([]byte, error) {
	if e.decode != nil {
		return e.decode(data, limit)
	}
	if len(data) > limit {
		return nil, serde.ErrTooLarge
	}
	return bytes.Clone(data), nil
}

func TestSuiteFindsBrokenEncodings(t *testing.T) {
	for name, broken := range map[string]struct {
		check string
		new   func() plain
	}{
		"changes bytes": {"bytes come back as they were", func() plain {
			return plain{encode: func(data []byte) ([]byte, error) { return bytes.ToUpper(data), nil }}
		}},
		"has a key of its own": {"bytes are read by another of its kind", func() plain {
			key := byte(instances.Add(1))
			return plain{encode: func(data []byte) ([]byte, error) { return append([]byte{key}, data...), nil }, decode: func(data []byte, _ int) ([]byte, error) {
				if len(data) == 0 || data[0] != key {
					return nil, errors.New("another has written it")
				}
				return bytes.Clone(data[1:]), nil
			}}
		}},
		"hands out what it got": {"what it returns is the caller's", func() plain {
			return plain{encode: func(data []byte) ([]byte, error) { return data, nil }}
		}},
		"hands out what it read": {"what it returns is the caller's", func() plain {
			return plain{decode: func(data []byte, _ int) ([]byte, error) { return data, nil }}
		}},
		"has one buffer": {"what it returns is the caller's", func() plain {
			buf := make([]byte, 0, 1<<16)
			return plain{encode: func(data []byte) ([]byte, error) {
				buf = append(buf[:0], data...)
				return buf, nil
			}}
		}},
		"writes to what it is given": {"what it is given is not changed", func() plain {
			return plain{encode: func(data []byte) ([]byte, error) {
				out := bytes.Clone(data)
				scribble(data)
				return out, nil
			}}
		}},
		"has no limit": {"the limit is kept to the byte", func() plain {
			return plain{decode: func(data []byte, _ int) ([]byte, error) { return bytes.Clone(data), nil }}
		}},
		"is one byte short": {"the limit is kept to the byte", func() plain {
			return plain{decode: func(data []byte, limit int) ([]byte, error) {
				if len(data) >= limit {
					return nil, serde.ErrTooLarge
				}
				return bytes.Clone(data), nil
			}}
		}},
		"cuts at the limit": {"the limit is kept to the byte", func() plain {
			return plain{decode: func(data []byte, limit int) ([]byte, error) { return bytes.Clone(data[:min(limit, len(data))]), nil }}
		}},
		"panics on nothing": {"whatever is read, it does not panic and keeps the limit", func() plain {
			return plain{decode: func(data []byte, _ int) ([]byte, error) { return append([]byte{data[0]}, data[1:]...), nil }}
		}},
		"has no limit for garbage": {"whatever is read, it does not panic and keeps the limit", func() plain {
			return plain{decode: func(data []byte, _ int) ([]byte, error) { return bytes.Clone(data), nil }}
		}},
		"has no name":    {"its name is the same each time", func() plain { return plain{} }},
		"has many names": {"its name is the same each time", func() plain { return plain{name: fmt.Sprint(instances.Add(1))} }},
		"tires": {"concurrent use", func() plain {
			var done atomic.Int32
			return plain{encode: func(data []byte) ([]byte, error) {
				if done.Add(1) > 20 {
					return nil, errors.New("tired")
				}
				return bytes.Clone(data), nil
			}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			on := func() encodings { return encodings{func() serde.Encoding { return broken.new() }} }
			if len(checks.Failed(encodingSuite(), broken.check, on)) == 0 {
				t.Errorf("the check %q does not fail", broken.check)
			}
		})
	}
}

// One that does nothing wrong passes every check.
func TestSuitesPassWhatIsSound(t *testing.T) {
	if failed := checks.Failed(serDeSuite[[]byte](), "", onSerDe(func() serde.SerDe[[]byte] { return good() })); len(failed) > 0 {
		t.Errorf("an envelope: %v", failed)
	}
	if failed := checks.Failed(serDeSuite[[]byte](), "", onSerDe(serde.EntryJSON[[]byte])); len(failed) > 0 {
		t.Errorf("EntryJSON: %v", failed)
	}
	if failed := checks.Failed(codecSuite[[]byte](), "", onCodec(func() serde.Codec[[]byte] { return codec{Codec: raw()} })); len(failed) > 0 {
		t.Errorf("a codec without a name: %v", failed)
	}
	if failed := checks.Failed(encodingSuite(), "", func() encodings {
		return encodings{func() serde.Encoding { return plain{name: "plain"} }}
	}); len(failed) > 0 {
		t.Errorf("an encoding that does nothing: %v", failed)
	}
}

// Values that could not show a fault are refused.
func TestValuesThatShowNothing(t *testing.T) {
	need := []checks.Check[subject[[]byte]]{{Name: "need", Run: func(t checks.TB, s subject[[]byte]) { s.need(t) }}}
	for name, c := range map[string]struct {
		s    subject[[]byte]
		fail bool
	}{
		"none":                 {subject[[]byte]{nil, bytes.Equal}, true},
		"one":                  {subject[[]byte]{values[:1], bytes.Equal}, true},
		"equal ones":           {subject[[]byte]{[][]byte{{1}, {1}}, bytes.Equal}, true},
		"an equal that is not": {subject[[]byte]{values, func(_, _ []byte) bool { return false }}, true},
		"two":                  {subject[[]byte]{values[:2], bytes.Equal}, false},
	} {
		failed := checks.Failed(need, "", func() subject[[]byte] { return c.s })
		if (len(failed) > 0) != c.fail {
			t.Errorf("%s: %v, want a failure: %v", name, failed, c.fail)
		}
	}
}
