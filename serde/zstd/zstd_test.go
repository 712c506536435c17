package zstd_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/serde/serdetest"
	"github.com/perennial-go/perennial/serde/zstd"
)

func TestConforms(t *testing.T) {
	serdetest.RunEncoding(t, zstd.New)
	serdetest.Run(t, func() serde.SerDe[map[string]int] {
		return records[map[string]int](t, "json+zstd://?compression-level=3")
	},
		[]map[string]int{nil, {}, {"a": 42}}, nil)
	serdetest.Run(t, func() serde.SerDe[string] { return records[string](t, "entry-json+zstandard+base64") },
		[]string{"", "value", strings.Repeat("over and over ", 1000)}, nil)
}

func records[V any](t *testing.T, text string) serde.SerDe[V] {
	t.Helper()
	f, err := serde.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.For[V](f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLevels(t *testing.T) {
	text := []byte(strings.Repeat("over and over again, but never the same ", 500) + fmt.Sprint(time.Unix(0, 0).UTC()))
	size := map[int]int{}
	reader := zstd.New()
	for _, level := range []int{1, 2, 3, 6, 10, 22} {
		e, err := zstd.NewLevel(level)
		if err != nil {
			t.Fatal(err)
		}
		data, err := e.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		size[level] = len(data)
		if got, err := reader.Decode(data, len(text)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("level %d comes back as %.40q, %v", level, got, err)
		}
	}
	if size[1] > len(text)/4 {
		t.Errorf("the sizes by level are %v, of %d", size, len(text))
	}
	for _, level := range []int{-1, 0, 23} {
		if e, err := zstd.NewLevel(level); e != nil || err == nil || !strings.Contains(err.Error(), "1 to 22") {
			t.Errorf("level %d: %v, %v", level, e, err)
		}
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		"json+zstd": "json+zstd", "json+zstandard://?compression-level=19": "json+zstd://?compression-level=19", "raw+zstd://?limit=10": "raw+zstd://?limit=10",
	} {
		if f, err := serde.Parse(text); err != nil || f.String() != want {
			t.Errorf("%q becomes %q, %v; want %q", text, f, err, want)
		}
	}
	for _, text := range []string{"json+zstd://?compression-level=0", "json+zstd://?compression-level=23", "json+zstd://?compression-threads=4", "json+zstd://?limit=0"} {
		if f, err := serde.Parse(text); err == nil {
			t.Errorf("%q is read as %q", text, f)
		}
	}
}

// Few bytes that say that they stand for many are found before any are made.
func TestBombs(t *testing.T) {
	const size, limit = 16 << 20, 64 << 10
	e := zstd.New()
	bomb, err := e.Encode(make([]byte, size))
	if err != nil {
		t.Fatal(err)
	}
	unsized := withoutSize(t, bomb)
	for name, data := range map[string][]byte{
		"with its size": bomb, "without": unsized, "in many frames": bytes.Repeat(frame(t, limit), 100),
	} {
		n := allocated(func() {
			if out, err := e.Decode(data, limit); !errors.Is(err, serde.ErrTooLarge) {
				t.Errorf("%s: %d bytes, %v; want ErrTooLarge", name, len(out), err)
			}
		})
		if n > 4<<20 {
			t.Errorf("%s: %d bytes are allocated for %d that are not wanted", name, n, size)
		}
	}
}

// frame is one of limit bytes.
func frame(t *testing.T, limit int) []byte {
	t.Helper()
	data, err := zstd.New().Encode(make([]byte, limit))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// withoutSize is a frame (RFC 8878, 3.1.1.1) whose header has a window of 8 MiB
// in place of the size of its content.
func withoutSize(t *testing.T, data []byte) []byte {
	t.Helper()
	descriptor := data[4]
	sizeBytes := [4]int{0, 2, 4, 8}[descriptor>>6]
	skip := 5 + sizeBytes
	switch single := descriptor&(1<<5) != 0; {
	case single && sizeBytes == 0:
		skip++
	case !single:
		skip++
	}
	const window8MiB = (23 - 10) << 3
	return append(append(bytes.Clone(data[:4]), descriptor&0x1F, window8MiB), data[skip:]...)
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// One encoding serves callers who have different limits.
func TestLimitsOfOneEncoding(t *testing.T) {
	e := zstd.New()
	data := frame(t, 5000)
	for range 3 {
		for limit, fits := range map[int]bool{1: false, 1023: false, 4999: false, 5000: true, 1 << 20: true} {
			if out, err := e.Decode(data, limit); fits != (err == nil) || !fits && !errors.Is(err, serde.ErrTooLarge) || fits && len(out) != 5000 {
				t.Errorf("within a limit of %d: %d bytes, %v", limit, len(out), err)
			}
		}
	}
}

func TestStrangeBytes(t *testing.T) {
	e := zstd.New()
	whole := frame(t, 5000)
	for name, data := range map[string][]byte{
		"nothing": nil, "empty": {}, "garbage": []byte("garbage"), "cut short": whole[:len(whole)-1], "garbage behind": append(bytes.Clone(whole), "garbage"...),
	} {
		if out, err := e.Decode(data, 10_000); err == nil {
			t.Errorf("%s is read as %d bytes", name, len(out))
		}
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-1] ^= 1 // its checksum
	if _, err := e.Decode(damaged, 10_000); err == nil {
		t.Error("a frame with a wrong checksum is read")
	}
}

func TestRecordIsSmaller(t *testing.T) {
	e := entry.New(strings.Repeat("over and over again ", 100), 0, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
	record, err := records[string](t, "json+zstd").Serialize(e)
	if err != nil || len(record) > len(e.Value)/10 {
		t.Errorf("a record of %d bytes, %v", len(record), err)
	}
}

func FuzzDecode(f *testing.F) { serdetest.FuzzEncoding(f, zstd.New()) }
