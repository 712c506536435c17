package serdetest

import (
	"bytes"
	"testing"

	"github.com/perennial-go/perennial/serde"
)

// FuzzEncoding fuzzes an encoding: whatever it is given to decode stays within the
// limit, and what it encodes comes back. Call it from a fuzz test of its package.
func FuzzEncoding(f *testing.F, e serde.Encoding) {
	const limit = 1 << 16
	for _, data := range [][]byte{{}, []byte("value"), bytes.Repeat([]byte("over and over "), 100), make([]byte, 1<<20)} {
		encoded, err := e.Encode(data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if out, err := e.Decode(data, limit); err == nil && len(out) > limit {
			t.Errorf("%d bytes are decoded to %d, the limit is %d", len(data), len(out), limit)
		}
		encoded, err := e.Encode(data)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Decode(encoded, max(1, len(data))); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%q comes back as %q, %v", data, got, err)
		}
	})
}
