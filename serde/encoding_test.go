package serde_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/serde"
)

// allocated is how many bytes a function allocates, with all that runs at the
// same time.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestBombs(t *testing.T) {
	const size, limit = 4 << 20, 16 << 10
	for name, e := range map[string]serde.Encoding{"zlib": serde.Zlib(), "gzip": serde.Gzip()} {
		bomb, err := e.Encode(make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		s := serde.Encoded(serde.EntryJSON[any](), serde.Limited(e, limit))
		n := allocated(func() { refused(t, s, bomb, name, serde.ErrTooLarge) })
		if n > 512<<10 {
			t.Errorf("%s: %d bytes are allocated for %d that are not wanted", name, n, size)
		}
	}
}

func TestDefaultLimit(t *testing.T) {
	if serde.DefaultLimit != 64<<20 {
		t.Errorf("the default limit is %d bytes", serde.DefaultLimit)
	}
	asked := 0
	codec := serde.EncodedCodec(serde.JSON[int](), asking{&asked})
	if _, err := codec.Decode([]byte("1")); err != nil || asked != serde.DefaultLimit {
		t.Errorf("an encoding is asked for %d bytes, %v; want the default limit", asked, err)
	}
}

// asking notes the limit that it is given.
type asking struct{ limit *int }

func (asking) Name() string                       { return "asking" }
func (asking) Encode(data []byte) ([]byte, error) { return data, nil }
func (e asking) Decode(data []byte, limit int) ([]byte, error) {
	*e.limit = limit
	return data, nil
}

func TestLimited(t *testing.T) {
	const size = 1000
	plain := made(serde.Raw[string]())
	text := strings.Repeat("a", size)
	for _, c := range []struct {
		name string
		e    serde.Encoding
		want error
	}{
		{"not limited", serde.Zlib(), nil},
		{"limited below", serde.Limited(serde.Zlib(), size-1), serde.ErrTooLarge},
		{"limited to the byte", serde.Limited(serde.Zlib(), size), nil},
		{"limited to nothing is the default", serde.Limited(serde.Zlib(), 0), nil},
		{"limited to less than nothing is the default", serde.Limited(serde.Zlib(), -1), nil},
		{"limited again, to more", serde.Limited(serde.Limited(serde.Zlib(), 1), size), nil},
		{"limited again, to less", serde.Limited(serde.Limited(serde.Zlib(), size), 1), serde.ErrTooLarge},
		{"one that does not look", serde.Limited(careless{}, size-1), serde.ErrTooLarge},
		{"text", serde.Limited(serde.Base64(), size-1), serde.ErrTooLarge},
	} {
		codec := serde.EncodedCodec(plain, c.e)
		data, err := codec.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := codec.Decode(data); !errors.Is(err, c.want) || err == nil && got != text {
			t.Errorf("%s: %d bytes and %v, want %v", c.name, len(got), err, c.want)
		}
	}
	if name := serde.Limited(serde.Zlib(), 1).Name(); name != "zlib" {
		t.Errorf("a limit makes the name %q: it would not be read without", name)
	}
}

// careless is an encoding that keeps no limit.
type careless struct{}

func (careless) Name() string                              { return "careless" }
func (careless) Encode(data []byte) ([]byte, error)        { return bytes.Clone(data), nil }
func (careless) Decode(data []byte, _ int) ([]byte, error) { return bytes.Clone(data), nil }

// tagged is an encoding that shows in what order it was applied.
type tagged string

func (e tagged) Name() string { return string(e) }
func (e tagged) Encode(data []byte) ([]byte, error) {
	return fmt.Appendf(nil, "%s(%s)", string(e), data), nil
}
func (e tagged) Decode(data []byte, _ int) ([]byte, error) {
	inner, ok := bytes.CutPrefix(data, []byte(string(e)+"("))
	if !ok {
		return nil, errors.New("another encoding came last")
	}
	return bytes.Clone(bytes.TrimSuffix(inner, []byte(")"))), nil
}

func TestEncodingsAreAppliedFromLeftToRight(t *testing.T) {
	codec := serde.EncodedCodec(made(serde.Raw[string]()), tagged("a"), tagged("b"))
	data, err := codec.Encode("value")
	if err != nil || string(data) != "b(a(value))" {
		t.Fatalf("written as %q, %v", data, err)
	}
	if got, err := codec.Decode(data); err != nil || got != "value" {
		t.Errorf("read as %q, %v", got, err)
	}
	if _, err := codec.Decode([]byte("a(b(value))")); !errors.Is(err, serde.ErrCorrupt) {
		t.Errorf("in the wrong order: %v, want ErrCorrupt", err)
	}
	if name := codec.(serde.Named).Name(); name != "raw+a+b" {
		t.Errorf("the name is %q", name)
	}
	s := serde.Encoded(serde.EntryJSON[string](), tagged("a"), tagged("b"))
	record := written(t, s, fresh("value"))
	if !bytes.HasPrefix(record, []byte(`b(a({"created":`)) {
		t.Errorf("the record is %q", record)
	}
	if e, err := s.Deserialize(record); err != nil || e.Value != "value" {
		t.Errorf("the record is read as %v, %v", e, err)
	}
}

// What is given to Encoded and EncodedCodec can be changed afterwards.
func TestEncodingsAreCopied(t *testing.T) {
	encodings := []serde.Encoding{tagged("a")}
	codec, s := serde.EncodedCodec(made(serde.Raw[string]()), encodings...), serde.Encoded(serde.EntryJSON[string](), encodings...)
	encodings[0] = tagged("b")
	if data, err := codec.Encode("value"); err != nil || string(data) != "a(value)" {
		t.Errorf("the codec writes %q, %v", data, err)
	}
	if record := written(t, s, fresh("value")); record[0] != 'a' {
		t.Errorf("the SerDe writes %q", record)
	}
}

func TestLevels(t *testing.T) {
	text := []byte(strings.Repeat("over and over again ", 200))
	for name, at := range map[string]func(int) (serde.Encoding, error){"zlib": serde.ZlibLevel, "gzip": serde.GzipLevel} {
		size := map[int]int{}
		reader, err := at(-1)
		if err != nil {
			t.Fatal(err)
		}
		for level := -1; level <= 9; level++ {
			e, err := at(level)
			if err != nil {
				t.Fatal(err)
			}
			data, err := e.Encode(text)
			if err != nil {
				t.Fatal(err)
			}
			size[level] = len(data)
			if got, err := reader.Decode(data, serde.DefaultLimit); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s at level %d comes back as %.40q, %v", name, level, got, err)
			}
		}
		if size[0] <= len(text) || size[1] > len(text)/4 || size[9] > size[1] || size[-1] != size[6] {
			t.Errorf("%s: the sizes by level are %v, of %d", name, size, len(text))
		}
		for _, level := range []int{-3, -2, 10, 100} {
			if _, err := at(level); err == nil || !strings.Contains(err.Error(), fmt.Sprint(level)) {
				t.Errorf("%s at level %d: %v", name, level, err)
			}
		}
	}
}

func TestBase64IsThatOfPython(t *testing.T) {
	e := serde.Base64()
	for _, c := range []struct{ plain, encoded string }{
		{"", ""}, {"in", "aW4=\n"}, {"y", "eQ==\n"},
		{strings.Repeat("a", 57), strings.Repeat("YWFh", 19) + "\n"},
		{strings.Repeat("a", 58), strings.Repeat("YWFh", 19) + "\nYQ==\n"},
		{strings.Repeat("a", 114), strings.Repeat(strings.Repeat("YWFh", 19)+"\n", 2)},
	} {
		if got, err := e.Encode([]byte(c.plain)); err != nil || string(got) != c.encoded {
			t.Errorf("%q is written as %q, %v; want %q", c.plain, got, err, c.encoded)
		}
		for _, encoded := range []string{c.encoded, strings.ReplaceAll(c.encoded, "\n", ""), strings.ReplaceAll(c.encoded, "\n", "\r\n")} {
			if got, err := e.Decode([]byte(encoded), 1000); err != nil || string(got) != c.plain {
				t.Errorf("%q is read as %q, %v", encoded, got, err)
			}
		}
	}
	for _, bad := range []string{"aW4", "aW4=x", "aW5=\n", "a W4=", "*", "aW4=\n aW4="} {
		if got, err := e.Decode([]byte(bad), 1000); err == nil {
			t.Errorf("%q is read as %q", bad, got)
		}
	}
}

func TestBzip2OnlyReads(t *testing.T) {
	s := serde.Encoded(serde.EntryJSON[string](), serde.Bzip2())
	if record, err := s.Serialize(fresh("value")); err == nil || !strings.Contains(err.Error(), "zlib or zstd") || !strings.Contains(err.Error(), "bz2") {
		t.Errorf("written as %q, %v; want an error that says what to write with", record, err)
	}
	_, err := serde.Envelope(serde.EncodedCodec(serde.JSON[string](), serde.Bzip2())).Serialize(fresh("value"))
	if err == nil || errors.Is(err, serde.ErrValue) {
		t.Errorf("in an envelope: %v; want an error that does not blame the value", err)
	}
	for _, bad := range [][]byte{nil, []byte("BZ"), []byte("BZh9"), append(bytes.Clone(vectors.Entries[0].Records["bz2"]), 0)} {
		refused(t, serde.Encoded(serde.EntryJSON[any](), serde.Bzip2()), bad, fmt.Sprintf("%q", bad), serde.ErrCorrupt)
	}
}

// What stands behind the compressed bytes is no part of them.
func TestBytesLeftOver(t *testing.T) {
	for name, e := range map[string]serde.Encoding{"zlib": serde.Zlib(), "gzip": serde.Gzip()} {
		s := serde.Encoded(serde.EntryJSON[string](), e)
		refused(t, s, append(written(t, s, fresh("value")), 0), name, serde.ErrCorrupt)
	}
}

// A decoder that has failed can be used again.
func TestDecodersRecover(t *testing.T) {
	for name, e := range map[string]serde.Encoding{"zlib": serde.Zlib(), "gzip": serde.Gzip()} {
		data, err := e.Encode([]byte("value"))
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range [][]byte{nil, []byte("garbage"), data[:len(data)-1], append([]byte{0x78, 0xbb}, data...)} {
			if _, err := e.Decode(bad, 100); err == nil {
				t.Errorf("%s: %q is read", name, bad)
			}
			if got, err := e.Decode(data, 100); err != nil || string(got) != "value" {
				t.Errorf("%s: after %q, %q is read as %q, %v", name, bad, data, got, err)
			}
		}
	}
}
