package serde_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/serde/serdetest"
)

// user has all that usually goes wrong.
type user struct {
	Name    string
	Age     *int
	Roles   []string
	Limits  map[string]float64
	Parent  *user
	Picture []byte
	Any     any
	_       int
}

func users() []*user {
	age := 0
	return []*user{
		nil,
		{},
		{Name: "Ada", Age: &age, Roles: []string{"admin", ""}, Picture: []byte{0, 1, 255}},
		{Name: "Grace\x00 \"quoted\" <b> žluťoučký 🐎 \u2028", Limits: map[string]float64{"": 1e300, "a": -0.5}, Parent: &user{Name: "P"}},
		{Name: strings.Repeat("long ", 4_000), Any: map[string]any{"a": []any{1.5, nil, true, "x"}}},
	}
}

var texts = []string{"", "in", "null", "\x00", "\xff\xfe no UTF-8", "žluťoučký 🐎", strings.Repeat("long ", 4_000)}

var validTexts = []string{"", "in", "null", "\x00", "žluťoučký 🐎", "<&>\u2028", strings.Repeat("long ", 4_000)}

type blob []byte
type label string

func blobs[B ~[]byte]() []B {
	return []B{{}, {0}, B("in"), {255, 254, 0, 10, 13}, bytes.Repeat(B{1, 2, 3}, 5_000)}
}

// sameBytes: Raw makes no difference between nil and empty.
func sameBytes[B ~[]byte](got, want B) bool { return bytes.Equal(got, want) }

func made[V any](c serde.Codec[V], err error) serde.Codec[V] {
	if err != nil {
		panic(err)
	}
	return c
}

// conforms runs the suites on a codec, alone and in an envelope.
func conforms[V any](t *testing.T, name string, codec func() serde.Codec[V], values []V, equal func(got, want V) bool) {
	t.Run(name, func(t *testing.T) {
		t.Run("codec", func(t *testing.T) { serdetest.RunCodec(t, codec, values, equal) })
		t.Run("envelope", func(t *testing.T) {
			serdetest.Run(t, func() serde.SerDe[V] { return serde.Envelope(codec()) }, values, equal)
		})
	})
}

func TestCodecsConform(t *testing.T) {
	times := []time.Time{{}, time.Unix(0, 0).UTC(), time.Date(2024, 2, 29, 1, 2, 3, 4, time.UTC)}
	link, err := url.Parse("https://user@host/path?q=1#f")
	if err != nil {
		t.Fatal(err)
	}
	conforms(t, "json of pointers", serde.JSON[*user], users(), nil)
	conforms(t, "json of text", serde.JSON[string], validTexts, nil)
	conforms(t, "json of bytes", serde.JSON[[]byte], append(blobs[[]byte](), nil), nil)
	conforms(t, "json of slices", serde.JSON[[]int], [][]int{nil, {}, {0}, {1, -2}}, nil)
	conforms(t, "json of any", serde.JSON[any], []any{nil, "", 0.0, false, []any{}, map[string]any{}, []any{nil}}, nil)
	conforms(t, "json of numbers", serde.JSON[int64], []int64{0, -1, 1<<63 - 1}, nil)

	conforms(t, "gob of pointers", func() serde.Codec[*user] { return made(serde.Gob[*user]()) }, gobUsers(), nil)
	conforms(t, "gob of structs", func() serde.Codec[user] { return made(serde.Gob[user]()) }, []user{{}, *gobUsers()[2]}, nil)
	conforms(t, "gob of pointers to zero", func() serde.Codec[*int] { return made(serde.Gob[*int]()) }, []*int{nil, new(int), ptr(7)}, nil)
	conforms(t, "gob of text", func() serde.Codec[string] { return made(serde.Gob[string]()) }, texts, nil)
	conforms(t, "gob of bytes", func() serde.Codec[[]byte] { return made(serde.Gob[[]byte]()) }, append(blobs[[]byte](), nil), nil)
	conforms(t, "gob of maps", func() serde.Codec[map[string]int] { return made(serde.Gob[map[string]int]()) }, []map[string]int{nil, {}, {"": 0}, {"a": 1}}, nil)
	conforms(t, "gob of any", func() serde.Codec[any] { return made(serde.Gob[any]()) }, []any{nil, "", "text", 0, 7, 1.5, []byte("in")}, nil)

	conforms(t, "raw text", func() serde.Codec[string] { return made(serde.Raw[string]()) }, texts, nil)
	conforms(t, "raw text of one's own", func() serde.Codec[label] { return made(serde.Raw[label]()) }, []label{"", "in", "\xff"}, nil)
	conforms(t, "raw bytes", func() serde.Codec[[]byte] { return made(serde.Raw[[]byte]()) }, append(blobs[[]byte](), nil), sameBytes)
	conforms(t, "raw bytes of one's own", func() serde.Codec[blob] { return made(serde.Raw[blob]()) }, blobs[blob](), sameBytes)
	conforms(t, "raw bytes of json", func() serde.Codec[json.RawMessage] { return made(serde.Raw[json.RawMessage]()) }, blobs[json.RawMessage](), sameBytes)

	conforms(t, "binary values", func() serde.Codec[time.Time] { return made(serde.Binary[time.Time]()) }, times, time.Time.Equal)
	conforms(t, "binary pointers", func() serde.Codec[*url.URL] { return made(serde.Binary[*url.URL]()) }, []*url.URL{nil, {}, link}, nil)

	conforms(t, "pair with any", func() serde.Codec[*user] {
		return made(serde.Pair[*user]("other", json.Marshal, json.Unmarshal))
	}, users(), nil)
	conforms(t, "pair with messages", func() serde.Codec[*note] {
		return made(serde.Pair[*note]("proto", protoMarshal, protoUnmarshal))
	}, []*note{nil, {}, {"text"}}, nil)
	conforms(t, "pair with a message by value", func() serde.Codec[note] {
		return made(serde.Pair[note]("proto", protoMarshal, protoUnmarshal))
	}, []note{{}, {"text"}}, nil)
	conforms(t, "pair with one type", func() serde.Codec[big.Int] {
		return made(serde.Pair[big.Int]("big", (*big.Int).GobEncode, func(data []byte, n *big.Int) error { return n.GobDecode(data) }))
	}, []big.Int{*big.NewInt(0), *big.NewInt(-5)}, func(got, want big.Int) bool { return got.Cmp(&want) == 0 })
	conforms(t, "funcs", func() serde.Codec[float64] {
		return made(serde.Funcs("text", func(f float64) ([]byte, error) { return fmt.Append(nil, f), nil },
			func(data []byte) (f float64, err error) {
				_, err = fmt.Sscan(string(data), &f)
				return f, err
			}))
	}, []float64{0, -1.5, 1e300}, nil)
}

// gobUsers are users that gob can write: no nil is in an any, and what is empty
// is nil.
func gobUsers() []*user {
	all := users()
	all[2].Age, all[4].Any = ptr(1), "any"
	return all
}

func ptr[T any](v T) *T { return &v }

func TestEncodedConforms(t *testing.T) {
	conforms(t, "json", func() serde.Codec[*user] {
		return serde.EncodedCodec(serde.JSON[*user](), serde.Zlib(), serde.Base64())
	}, users(), nil)
	conforms(t, "raw", func() serde.Codec[string] { return serde.EncodedCodec(made(serde.Raw[string]()), serde.Gzip()) }, texts, nil)
	serdetest.Run(t, func() serde.SerDe[*user] {
		return serde.Encoded(serde.Envelope(serde.JSON[*user]()), serde.Gzip(), serde.Base64())
	}, users(), nil)
}

func TestEntryJSONConforms(t *testing.T) {
	serdetest.Run(t, serde.EntryJSON[*user], users(), nil)
	serdetest.Run(t, serde.EntryJSON[string], validTexts, nil)
	serdetest.Run(t, func() serde.SerDe[[]byte] { return serde.Encoded(serde.EntryJSON[[]byte](), serde.Zlib()) }, append(blobs[[]byte](), nil), nil)
	serdetest.Run(t, func() serde.SerDe[time.Duration] {
		s, err := serde.EntryJSONOf(
			func(d time.Duration) (string, error) { return d.String(), nil }, time.ParseDuration)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, []time.Duration{0, time.Minute, -time.Hour}, nil)
}

func TestEncodingsConform(t *testing.T) {
	for name, e := range map[string]func() serde.Encoding{
		"zlib": serde.Zlib, "gzip": serde.Gzip, "base64": serde.Base64,
		"limited": func() serde.Encoding { return serde.Limited(serde.Zlib(), 5) },
	} {
		t.Run(name, func(t *testing.T) { serdetest.RunEncoding(t, e) })
	}
}
