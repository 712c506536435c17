package s2_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/serde/s2"
	"github.com/perennial-go/perennial/serde/serdetest"
)

func TestConforms(t *testing.T) {
	serdetest.RunEncoding(t, s2.New)
	f, err := serde.Parse("json+s2://?limit=100000")
	if err != nil || f.String() != "json+s2://?limit=100000" {
		t.Fatalf("the format is %q, %v", f, err)
	}
	serdetest.Run(t, func() serde.SerDe[string] {
		s, err := serde.For[string](f)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, []string{"", "value", strings.Repeat("over and over ", 1000)}, nil)
	if f, err := serde.Parse("json+s2://?compression-level=3"); err == nil {
		t.Errorf("a level is read as %q", f)
	}
}

// Few bytes that say that they stand for many are found before any are made.
func TestBombs(t *testing.T) {
	const limit = 64 << 10
	e := s2.New()
	honest, err := e.Encode(make([]byte, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"honest": honest, "4 GiB in five bytes": binary.AppendUvarint(nil, 1<<32-1), "2 GiB": binary.AppendUvarint(nil, 1<<31-1), "one more than the limit": binary.AppendUvarint(nil, limit+1),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := e.Decode(data, limit)
		runtime.ReadMemStats(&after)
		// Where int has 32 bits the package itself says that it is too large.
		if err == nil || !errors.Is(err, serde.ErrTooLarge) && len(data) > 5 {
			t.Errorf("%s: %d bytes, %v; want ErrTooLarge", name, len(out), err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes are allocated", name, n)
		}
	}
}

func TestStrangeBytes(t *testing.T) {
	e := s2.New()
	for name, data := range map[string][]byte{
		"nothing": nil, "a length without end": bytes.Repeat([]byte{0xFF}, 20), "no content": {5}, "garbage": []byte("garbage"), "content left over": {1, 0, 'a', 0, 'b'},
	} {
		if out, err := e.Decode(data, 1000); err == nil {
			t.Errorf("%s is read as %q", name, out)
		}
	}
}

func FuzzDecode(f *testing.F) { serdetest.FuzzEncoding(f, s2.New()) }
