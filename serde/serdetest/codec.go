package serdetest

import (
	"bytes"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/serde"
)

type codecs[V any] struct {
	new func() serde.Codec[V]
	subject[V]
}

func codecSuite[V any]() []checks.Check[codecs[V]] {
	return []checks.Check[codecs[V]]{
		{Name: "a value comes back as it was", Run: codecReturns[V]},
		{Name: "the zero value is a value", Run: codecZero[V]},
		{Name: "values are read by another of its kind", Run: codecReadByAnother[V]},
		{Name: "the bytes are the caller's", Run: codecBytesAreApart[V]},
		{Name: "a value does not depend on the bytes it was read from", Run: codecValuesAreApart[V]},
		{Name: "reading does not change the bytes", Run: codecBytesAreLeft[V]},
		{Name: "whatever is read, it does not panic", Run: codecGarbage[V]},
		{Name: "its name is the same each time", Run: codecName[V]},
		{Name: "concurrent use", Run: codecConcurrent[V]},
	}
}

func (s codecs[V]) write(t checks.TB, c serde.Codec[V], v V) []byte {
	t.Helper()
	data, err := c.Encode(v)
	if err != nil {
		t.Fatalf("Encode of %v: %v", show(v), err)
	}
	return data
}

func (s codecs[V]) returns(t checks.TB, c serde.Codec[V], data []byte, want V) {
	t.Helper()
	if got, err := c.Decode(data); err != nil || !s.equal(got, want) {
		t.Errorf("%v comes back as %v, %v", show(want), show(got), err)
	}
}

func codecReturns[V any](t checks.TB, s codecs[V]) {
	c := s.new()
	for _, v := range s.values {
		s.returns(t, c, s.write(t, c, v), v)
	}
}

func codecZero[V any](t checks.TB, s codecs[V]) {
	var zero V
	c := s.new()
	s.returns(t, c, s.write(t, c, zero), zero)
}

func codecReadByAnother[V any](t checks.TB, s codecs[V]) {
	writer, reader := s.new(), s.new()
	for _, v := range s.values {
		s.returns(t, reader, s.write(t, writer, v), v)
	}
}

func codecBytesAreApart[V any](t checks.TB, s codecs[V]) {
	c := s.new()
	all := make([][]byte, len(s.values))
	for i, v := range s.values {
		all[i] = s.write(t, c, v)
	}
	for i, v := range s.values {
		s.returns(t, c, all[i], v)
	}
	for i, v := range s.values {
		kept := bytes.Clone(all[i])
		scribble(all[i])
		s.returns(t, c, kept, v) // else what was scribbled on was the value itself
		s.returns(t, c, s.write(t, c, v), v)
		scribble(all[i]) // as it was
	}
}

func codecValuesAreApart[V any](t checks.TB, s codecs[V]) {
	c := s.new()
	for _, v := range s.values {
		data := s.write(t, c, v)
		got, err := c.Decode(data)
		if err != nil {
			t.Fatalf("Decode of what %v was written as: %v", show(v), err)
		}
		scribble(data)
		if !s.equal(got, v) {
			t.Errorf("%v becomes %v when the bytes that it was read from change", show(v), show(got))
		}
	}
}

func codecBytesAreLeft[V any](t checks.TB, s codecs[V]) {
	c := s.new()
	for _, v := range s.values {
		data := s.write(t, c, v)
		before := bytes.Clone(data)
		s.returns(t, c, data, v)
		if !bytes.Equal(data, before) {
			t.Errorf("the bytes of %v are changed by Decode", show(v))
		}
	}
}

// codecGarbage can't ask for errors: to Raw, anything is a value.
func codecGarbage[V any](t checks.TB, s codecs[V]) {
	c := s.new()
	for _, data := range garbage {
		_, _ = c.Decode(data) // a panic fails the check
	}
	for _, v := range s.values {
		data := s.write(t, c, v)
		for n := 0; n < len(data); n += 1 + len(data)/100 {
			_, _ = c.Decode(data[:n:n])
		}
	}
}

func codecName[V any](t checks.TB, s codecs[V]) {
	first, ok := s.new().(serde.Named)
	if !ok {
		return
	}
	second, ok := s.new().(serde.Named)
	if !ok || first.Name() == "" || first.Name() != second.Name() {
		t.Errorf("two of them are named %q and %q", first.Name(), second.Name())
	}
}

func codecConcurrent[V any](t checks.TB, s codecs[V]) {
	c := s.new()
	together(len(s.values), func(i int) {
		data, err := c.Encode(s.values[i])
		if err != nil {
			t.Errorf("Encode of %v: %v", show(s.values[i]), err)
			return
		}
		s.returns(t, c, data, s.values[i])
	})
}
