package serde_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

// vectors are what testdata/make_vectors.py has written: entries as Python has
// them, and the records that it made of each, by the encodings around it.
var vectors = func() (v struct {
	Entries []struct {
		Name  string
		Entry struct {
			Created      float64
			UpdateAfter  float64 `json:"update_after"`
			ExpiresAfter float64 `json:"expires_after"`
			Value        any
		}
		Records map[string][]byte
	}
	Bomb []byte // of bz2: 16 MiB of zeros
}) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		panic(err)
	}
	return v
}()

// ofPython is the format of EncodingSerDe(..EncodingSerDe(JsonSerDe(), ..)..).
func ofPython(t *testing.T, encodings string) serde.SerDe[any] {
	t.Helper()
	text := "entry-json"
	if encodings != "" {
		text += "+" + encodings
	}
	format, err := serde.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.For[any](format)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadsWhatPythonWrites(t *testing.T) {
	read := 0
	for _, v := range vectors.Entries {
		for encodings, record := range v.Records {
			e, err := ofPython(t, encodings).Deserialize(record)
			if err != nil {
				t.Errorf("%s, %q: %v", v.Name, encodings, err)
				continue
			}
			read++
			if !reflect.DeepEqual(e.Value, v.Entry.Value) {
				t.Errorf("%s, %q: the value is %v, want %v", v.Name, encodings, e.Value, v.Entry.Value)
			}
			for name, instants := range map[string]struct {
				got  entry.Instant
				want float64
			}{
				"created":       {e.Created(), v.Entry.Created},
				"update_after":  {e.UpdateAfter(), v.Entry.UpdateAfter},
				"expires_after": {e.ExpiresAfter(), v.Entry.ExpiresAfter},
			} {
				if instants.want > 9.2233720368e9 {
					if instants.got != entry.Never {
						t.Errorf("%s, %q: %s is %d, want Never", v.Name, encodings, name, instants.got)
					}
				} else if off := float64(instants.got)/1e9 - instants.want; off > 1e-6 || off < -1e-6 {
					t.Errorf("%s, %q: %s is %d, want %f seconds", v.Name, encodings, name, instants.got, instants.want)
				}
			}
		}
	}
	if read < 80 {
		t.Errorf("only %d records are among the vectors", read)
	}
}

// What is not made of floats at all is exact.
func TestInstantsOfPythonAreExactWhereFloatsAre(t *testing.T) {
	for _, v := range vectors.Entries {
		if v.Name != "as documented" && v.Name != "integers" {
			continue
		}
		e, err := ofPython(t, "zip").Deserialize(v.Records["zip"])
		if err != nil {
			t.Fatal(err)
		}
		want := entry.Instant(v.Entry.ExpiresAfter * 1e9)
		if e.Created() != 1e9 || e.UpdateAfter() != 2e9 || e.ExpiresAfter() != want {
			t.Errorf("%s: %d, %d, %d", v.Name, e.Created(), e.UpdateAfter(), e.ExpiresAfter())
		}
	}
}

func TestPythonReadsWhatIsWritten(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: what is written here is not checked against it")
	}
	chains := []string{"", "zip", "base64", "zip+base64", "base64+zip"}
	type request struct {
		Encodings []string `json:"encodings"`
		Record    []byte   `json:"record"`
	}
	var want []*entry.Entry[any]
	var requests bytes.Buffer
	for _, encodings := range chains {
		s := ofPython(t, encodings)
		for _, v := range vectors.Entries {
			created := entry.At(time.Date(2024, 2, 29, 12, 34, 56, 789_012_345, time.UTC))
			e := entry.Restore(v.Entry.Value, created, created.Add(time.Minute), entry.Never)
			record, err := s.Serialize(e)
			if err != nil {
				t.Fatal(err)
			}
			chain := strings.FieldsFunc(encodings, func(r rune) bool { return r == '+' })
			if err := json.NewEncoder(&requests).Encode(request{append([]string{}, chain...), record}); err != nil {
				t.Fatal(err)
			}
			want = append(want, e)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/make_vectors.py", "--read")
	cmd.Stdin = &requests
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	for i, e := range want {
		var answer struct {
			Value    any
			Types    []string
			Instants []time.Time
		}
		if err := answers.Decode(&answer); err != nil {
			t.Fatalf("after %d answers: %v", i, err)
		}
		if !reflect.DeepEqual(answer.Value, e.Value) {
			t.Errorf("%v is read as %v", e.Value, answer.Value)
		}
		if !reflect.DeepEqual(answer.Types, []string{"float", "float", "float"}) {
			t.Errorf("the instants are read as %v", answer.Types)
		}
		for j, want := range []entry.Instant{e.Created(), e.UpdateAfter(), e.ExpiresAfter()} {
			if off := answer.Instants[j].Sub(want.Time()).Abs(); off > time.Microsecond {
				t.Errorf("%v is read as %v", want.Time(), answer.Instants[j])
			}
		}
	}
}

func TestBombOfBzip2(t *testing.T) {
	const limit = 64 << 10
	s := serde.Encoded(serde.EntryJSON[any](), serde.Limited(serde.Bzip2(), limit))
	n := allocated(func() {
		if _, err := s.Deserialize(vectors.Bomb); !errors.Is(err, serde.ErrTooLarge) {
			t.Errorf("the error is %v, want ErrTooLarge", err)
		}
	})
	if n > 8<<20 { // the tables of a block alone have 3.6 MB
		t.Errorf("%d bytes are allocated for %d that are not wanted", n, 16<<20)
	}
}
