package serde_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

// The functions of google.golang.org/protobuf/proto have these signatures, with
// proto.Message for message.
type message interface{ ProtoReflect() }

func protoMarshal(m message) ([]byte, error)      { return []byte(m.(*note).Text), nil }
func protoUnmarshal(data []byte, m message) error { m.(*note).Text = string(data); return nil }

// note stands for a type that protoc has generated.
type note struct{ Text string }

func (*note) ProtoReflect() {}

// The functions of github.com/vmihailenco/msgpack and of
// github.com/fxamacker/cbor have these signatures.
var msgpack, cbor struct {
	Marshal   func(v any) ([]byte, error)
	Unmarshal func(data []byte, v any) error
}

func init() {
	msgpack.Marshal, msgpack.Unmarshal = json.Marshal, json.Unmarshal
	cbor.Marshal, cbor.Unmarshal = json.Marshal, json.Unmarshal
}

// printed is what a codec writes of a value and reads again.
func printed[V any](c serde.Codec[V], err error, value V) {
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := c.Encode(value)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := c.Decode(data)
	fmt.Printf("%q %+v %v\n", data, back, err)
}

func ExamplePair_protobuf() {
	c, err := serde.Pair[*note]("proto", protoMarshal, protoUnmarshal) // proto.Marshal, proto.Unmarshal
	printed(c, err, &note{"text"})
	printed(c, err, nil)
	// Output:
	// "\x01text" &{Text:text} <nil>
	// "\x00" <nil> <nil>
}

func ExamplePair_msgpack() {
	c, err := serde.Pair[map[string]int]("msgpack", msgpack.Marshal, msgpack.Unmarshal)
	printed(c, err, map[string]int{"a": 1})
	// Output: "{\"a\":1}" map[a:1] <nil>
}

func ExamplePair_cbor() {
	c, err := serde.Pair[[]string]("cbor", cbor.Marshal, cbor.Unmarshal)
	printed(c, err, []string{"a", ""})
	// Output: "[\"a\",\"\"]" [a ] <nil>
}

func ExampleFuncs() {
	c, err := serde.Funcs("duration",
		func(d time.Duration) ([]byte, error) { return []byte(d.String()), nil },
		func(data []byte) (time.Duration, error) { return time.ParseDuration(string(data)) })
	printed(c, err, 90*time.Second)
	// Output: "1m30s" 1m30s <nil>
}

func ExampleEnvelope() {
	records := serde.Envelope(serde.EncodedCodec(serde.JSON[string](), serde.Zlib()))
	record, err := records.Serialize(entry.New("value", 0, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour}))
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := records.Deserialize(record)
	fmt.Println(e.Value, e.ExpiresAfter().Sub(e.Created()), err)

	record[len(record)-1] ^= 1
	_, err = records.Deserialize(record)
	fmt.Println(errors.Is(err, serde.ErrCorrupt))
	// Output:
	// value 1h0m0s <nil>
	// true
}

func ExampleEntryJSON() {
	records := serde.EntryJSON[map[string]any]()
	e, err := records.Deserialize([]byte(`{"created": 1.0, "update_after": 2.0, "expires_after": 3.5, "value": {"a": [1, null]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.ExpiresAfter().Time().Format(time.RFC3339Nano), e.Value)
	record, err := records.Serialize(e)
	fmt.Println(string(record), err)
	// Output:
	// 1970-01-01T00:00:03.5Z map[a:[1 <nil>]]
	// {"created":1.0,"update_after":2.0,"expires_after":3.5,"value":{"a":[1,null]}} <nil>
}

func ExampleParse() {
	format, err := serde.Parse("json+zip://?limit=1048576&compression-level=9")
	fmt.Println(format, err)
	_, err = serde.Parse("json+zip://?level=9")
	fmt.Println(err)
	// Output:
	// json+zlib://?compression-level=9&limit=1048576 <nil>
	// serde: format "json+zip://?level=9": parameter "level" is unknown: those known are compression-level, limit
}

func ExampleFor() {
	format, err := serde.Parse("raw+base64")
	if err != nil {
		fmt.Println(err)
		return
	}
	records, err := serde.For[string](format)
	fmt.Println(records != nil, err)
	_, err = serde.For[struct{ Name string }](format)
	fmt.Println(err)
	// Output:
	// true <nil>
	// serde: raw does not take struct { Name string }: it takes strings and slices of bytes; use json or gob
}

// A program registers once, in an init.
func init() {
	serde.Register(serde.PairLayer(msgpack.Marshal, msgpack.Unmarshal), "example-msgpack")
	serde.Register(serde.EncodingLayer(func(p *serde.Parameters) (serde.Encoding, error) {
		return reversed{p.Int("times", 1, 1, 9)}, nil
	}), "reversed")
}

// A codec and an encoding of one's own have names in texts once they are
// registered, in an init:
//
//	serde.Register(serde.PairLayer(msgpack.Marshal, msgpack.Unmarshal), "example-msgpack")
//	serde.Register(serde.EncodingLayer(func(p *serde.Parameters) (serde.Encoding, error) {
//		return reversed{p.Int("times", 1, 1, 9)}, nil
//	}), "reversed")
func ExampleRegister() {
	format, err := serde.Parse("example-msgpack+reversed://?times=3")
	fmt.Println(format, err)
	// Output: example-msgpack+reversed://?times=3 <nil>
}

// reversed is an encoding that turns bytes round, to no use.
type reversed struct{ times int }

func (reversed) Name() string { return "reversed" }

func (r reversed) Encode(data []byte) ([]byte, error) {
	data = bytes.Clone(data)
	for range r.times {
		for i, j := 0, len(data)-1; i < j; i, j = i+1, j-1 {
			data[i], data[j] = data[j], data[i]
		}
	}
	return data, nil
}

func (r reversed) Decode(data []byte, limit int) ([]byte, error) {
	if len(data) > limit {
		return nil, serde.ErrTooLarge
	}
	return r.Encode(data)
}
