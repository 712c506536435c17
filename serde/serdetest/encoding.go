package serdetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/serde"
)

type encodings struct{ new func() serde.Encoding }

func encodingSuite() []checks.Check[encodings] {
	return []checks.Check[encodings]{
		{Name: "bytes come back as they were", Run: bytesReturn},
		{Name: "bytes are read by another of its kind", Run: bytesReadByAnother},
		{Name: "what it returns is the caller's", Run: resultsAreApart},
		{Name: "what it is given is not changed", Run: bytesAreLeft},
		{Name: "the limit is kept to the byte", Run: limitIsKept},
		{Name: "whatever is read, it does not panic and keeps the limit", Run: encodingGarbage},
		{Name: "its name is the same each time", Run: encodingName},
		{Name: "concurrent use", Run: encodingConcurrent},
	}
}

// samples are what is encoded: nothing, little, what can be compressed and what
// can't.
var samples = func() [][]byte {
	random := make([]byte, 1000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(random) // never fails
	return [][]byte{{}, {0}, []byte("a"), []byte("in"), []byte(`{"a":[1,null]}`), []byte(strings.Repeat("over and over ", 300)), make([]byte, 20_000), random}
}()

func encode(t checks.TB, e serde.Encoding, data []byte) []byte {
	t.Helper()
	out, err := e.Encode(data)
	if err != nil {
		t.Fatalf("Encode of %d bytes, %.20q: %v", len(data), data, err)
	}
	return out
}

func decodes(t checks.TB, e serde.Encoding, data, want []byte) {
	t.Helper()
	got, err := e.Decode(data, serde.DefaultLimit)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %.20q, come back as %d, %.20q, %v", len(want), want, len(got), got, err)
	}
}

func bytesReturn(t checks.TB, s encodings) {
	e := s.new()
	for _, data := range samples {
		decodes(t, e, encode(t, e, data), data)
	}
}

func bytesReadByAnother(t checks.TB, s encodings) {
	writer, reader := s.new(), s.new()
	for _, data := range samples {
		decodes(t, reader, encode(t, writer, data), data)
	}
}

func resultsAreApart(t checks.TB, s encodings) {
	e := s.new()
	for _, data := range samples {
		given := bytes.Clone(data)
		first := encode(t, e, given)
		encode(t, e, []byte("something else"))
		scribble(given)
		decodes(t, e, first, data)

		decoded, err := e.Decode(first, serde.DefaultLimit)
		if err != nil {
			t.Fatalf("Decode of %d bytes: %v", len(first), err)
		}
		decodes(t, e, encode(t, e, []byte("something else")), []byte("something else"))
		scribble(first)
		if !bytes.Equal(decoded, data) {
			t.Errorf("%d bytes, %.20q, that were decoded change with what they were decoded from", len(data), data)
		}
	}
}

func bytesAreLeft(t checks.TB, s encodings) {
	e := s.new()
	for _, data := range samples {
		given := bytes.Clone(data)
		out := encode(t, e, given)
		before := bytes.Clone(out)
		decodes(t, e, out, data)
		if !bytes.Equal(given, data) {
			t.Errorf("Encode changes the bytes %.20q", data)
		}
		if !bytes.Equal(out, before) {
			t.Errorf("Decode changes the bytes that stand for %.20q", data)
		}
	}
}

func limitIsKept(t checks.TB, s encodings) {
	e := s.new()
	for _, data := range samples {
		out := encode(t, e, data)
		if got, err := e.Decode(out, max(1, len(data))); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes within a limit of as many come back as %d bytes, %v", len(data), len(got), err)
		}
		if len(data) < 2 {
			continue
		}
		for _, limit := range []int{1, len(data) / 2, len(data) - 1} {
			if got, err := e.Decode(out, limit); !errors.Is(err, serde.ErrTooLarge) {
				t.Errorf("%d bytes within a limit of %d come back as %d bytes, %v; want ErrTooLarge", len(data), limit, len(got), err)
			}
		}
	}
}

func encodingGarbage(t checks.TB, s encodings) {
	const limit = 1000
	e := s.new()
	try := func(data []byte) {
		if out, err := e.Decode(data, limit); err == nil && len(out) > limit {
			t.Fatalf("%d bytes, %.20q, are decoded to %d, and the limit is %d", len(data), data, len(out), limit)
		}
	}
	for _, data := range garbage {
		try(data)
	}
	for _, data := range samples {
		out := encode(t, e, data)
		for n := 0; n < len(out); n += 1 + len(out)/100 {
			try(out[:n:n])
			flipped := bytes.Clone(out)
			flipped[n] ^= 1 << (n % 8)
			try(flipped)
		}
	}
}

func encodingName(t checks.TB, s encodings) {
	if first, second := s.new().Name(), s.new().Name(); first == "" || first != second {
		t.Errorf("two of them are named %q and %q", first, second)
	}
}

func encodingConcurrent(t checks.TB, s encodings) {
	e := s.new()
	together(len(samples), func(i int) {
		out, err := e.Encode(samples[i])
		if err != nil {
			t.Errorf("Encode of %d bytes: %v", len(samples[i]), err)
			return
		}
		decodes(t, e, out, samples[i])
	})
}
