package trace

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// file writes a file, packed as its name says.
func file(t testing.TB, name string, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	switch filepath.Ext(name) {
	case ".gz":
		w := gzip.NewWriter(&b)
		_, _ = w.Write(text)
		_ = w.Close()
	case ".zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(text)
		_ = w.Close()
	default:
		b.Write(text)
	}
	return raw(t, name, b.Bytes())
}

func raw(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func requestsOf(t *Trace) []Request {
	var all []Request
	for _, r := range t.All() {
		all = append(all, r)
	}
	return all
}

func TestRead(t *testing.T) {
	a, b := hash([]byte("a")), hash([]byte("b"))
	for _, c := range []struct {
		name, text string
		want       []Request
	}{
		{"keys", "a\nb\na\n", []Request{{a, 1, 1}, {b, 1, 1}, {a, 1, 1}}},
		{"no end of the last line", "a\nb", []Request{{a, 1, 1}, {b, 1, 1}}},
		{"ends of lines of another system, and blanks", " a \r\n\tb\r\n", []Request{{a, 1, 1}, {b, 1, 1}}},
		{"numbers are themselves", "7\n0\n18446744073709551615\n", []Request{{7, 1, 1}, {0, 1, 1}, {1<<64 - 1, 1, 1}}},
		{"what only looks like a number is not one", "07\n+7\n18446744073709551616\n",
			[]Request{{hash([]byte("07")), 1, 1}, {hash([]byte("+7")), 1, 1}, {hash([]byte("18446744073709551616")), 1, 1}}},
		{"sizes", "a 10\nb 20\na 30\n", []Request{{a, 10, 1}, {b, 20, 1}, {a, 30, 1}}},
		{"sizes and costs", "a 10 0.5\nb 20 1e3\n", []Request{{a, 10, 0.5}, {b, 20, 1000}}},
		{"commas", "a,10,0\nb , 20,\t3\n", []Request{{a, 10, 0}, {b, 20, 3}}},
		{"a key is any text", "GET:/käse?x=1;y=\"2\"\n", []Request{{hash([]byte("GET:/käse?x=1;y=\"2\"")), 1, 1}}},
	} {
		for _, end := range []string{".txt", ".gz", ".zst"} {
			t.Run(c.name+end, func(t *testing.T) {
				got, err := Read(file(t, "some"+end, []byte(c.text)))
				if err != nil {
					t.Fatal(err)
				}
				if got.Name != "some" {
					t.Errorf("it is called %q", got.Name)
				}
				if all := requestsOf(got); !slices.Equal(all, c.want) {
					t.Errorf("got %v, want %v", all, c.want)
				}
			})
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"nothing", "", 1, "no requests"},
		{"an empty line", "a\n\nb\n", 2, "empty"},
		{"an empty last line", "a\n\n", 2, "empty"},
		{"a line of blanks", "a\n \t\nb\n", 2, "empty"},
		{"a column more", "a\nb 1\n", 2, "2 columns"},
		{"a column less", "a 1\nb\n", 2, "1 columns"},
		{"too many columns", "a 1 2 3\n", 1, "more than 3"},
		{"an empty key", ",1\n", 1, "column is empty"},
		{"an empty column", "a,,1\n", 1, "column is empty"},
		{"an empty last column", "a,1,\n", 1, "column is empty"},
		{"a size that is no number", "a 1\na x\n", 2, `size "x"`},
		{"a size of 0", "a 0\n", 1, `size "0"`},
		{"a negative size", "a -1\n", 1, `size "-1"`},
		{"a size with a fraction", "a 1.5\n", 1, `size "1.5"`},
		{"a size of more than 64 bits", "a 9223372036854775808\n", 1, "size"},
		{"a cost that is no number", "a 1 x\n", 1, `cost "x"`},
		{"a negative cost", "a 1 -1\n", 1, `cost "-1"`},
		{"an infinite cost", "a 1 Inf\n", 1, `cost "Inf"`},
		{"a cost that is NaN", "a 1 NaN\n", 1, `cost "NaN"`},
		{"what is not text", "a\n\x1f\x8b\n", 2, "not text"},
		{"a zero byte", "a\nb\x00\n", 2, "not text"},
		{"a line without end", "a\n" + strings.Repeat("b", longest+1), 2, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := file(t, "bad.txt", []byte(c.text))
			_, err := Read(name)
			if err == nil {
				t.Fatal("it is read")
			}
			for _, want := range []string{fmt.Sprintf("%s:%d: ", name, c.line), c.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
		})
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that does not exist is read")
	}
}

// Whatever is missing at its end, a packed file is refused.
func TestReadRefusesWhatIsCutShort(t *testing.T) {
	var text bytes.Buffer
	for i := range 200 {
		fmt.Fprintf(&text, "key-%d %d %d\n", i*i%977, 1+i%13, i%7)
	}
	for _, name := range []string{"cut.gz", "cut.zst"} {
		whole, err := os.ReadFile(file(t, name, text.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		path := raw(t, name, nil)
		for length := range whole {
			if err := os.WriteFile(path, whole[:length], 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			switch {
			case err == nil:
				t.Fatalf("%s is read, though %d of its %d bytes are missing", name, len(whole)-length, len(whole))
			case !strings.HasPrefix(err.Error(), "trace: "+path+":"):
				t.Fatalf("the error %q does not name the file and the line", err)
			case length > 0 && !strings.Contains(err.Error(), "cut short"):
				t.Fatalf("of %d of %d bytes the error is %q", length, len(whole), err)
			}
		}
		if got, err := Read(raw(t, name, whole)); err != nil || got.Len() != 200 {
			t.Fatalf("the whole of %s is not read: %v", name, err)
		}
	}
}

// What is read has a request for each line, and no text makes the reader panic.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a 1 2\nb 3 4\n"))
	f.Add([]byte("a,1\r\nb , 3"))
	f.Add([]byte("\n,\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := newBuilder("")
		line, err := b.read(bytes.NewReader(text))
		if line < 1 {
			t.Errorf("it ends at line %d", line)
		}
		if got := b.trace.Len(); err == nil && got != line {
			t.Errorf("%d lines are %d requests", line, got)
		}
		for _, r := range b.trace.All() {
			if err == nil && (r.Size < 1 || !(r.Cost >= 0)) {
				t.Errorf("it has the request %v", r)
			}
		}
	})
}
