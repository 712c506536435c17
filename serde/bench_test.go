package serde_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

type account struct {
	ID      int64
	Name    string
	Emails  []string
	Balance float64
	Opened  time.Time
}

var someone = account{42, "Ada Lovelace", []string{"ada@example.org", "countess@example.org"}, 1815.12, time.Unix(1_700_000_000, 0).UTC()}

// What an envelope costs beside its codec: compare a codec with its envelope.
func BenchmarkCodecs(b *testing.B) {
	benchmarkCodec(b, "json", serde.JSON[account](), someone)
	benchmarkCodec(b, "gob", made(serde.Gob[account]()), someone)
	benchmarkCodec(b, "raw-1KiB", made(serde.Raw[[]byte]()), []byte(strings.Repeat("x", 1024)))
	benchmarkCodec(b, "json+zlib", serde.EncodedCodec(serde.JSON[account](), serde.Zlib()), someone)
	b.Run("bare-json.Marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&someone); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkCodec[V any](b *testing.B, name string, c serde.Codec[V], value V) {
	data, err := c.Encode(value)
	if err != nil {
		b.Fatal(err)
	}
	s := serde.Envelope(c)
	e := entry.New(value, born, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
	record := written(b, s, e)
	for what, f := range map[string]func() error{
		"codec/encode":    func() error { _, err := c.Encode(value); return err },
		"envelope/encode": func() error { _, err := s.Serialize(e); return err },
		"codec/decode":    func() error { _, err := c.Decode(data); return err },
		"envelope/decode": func() error { _, err := s.Deserialize(record); return err },
	} {
		b.Run(name+"/"+what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
