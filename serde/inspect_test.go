package serde_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/serde"
)

type (
	shape    interface{ Area() float64 }
	drawing  struct{ Shapes []shape }
	nested   struct{ In map[string]*drawing }
	untagged struct{ Then func() }
	skipped  struct {
		Then func() `json:"-"`
	}
	linked      struct{ Next *linked }
	odd         struct{ A int }
	coordinates struct{ X, Y int }
	partly      struct {
		Name   string
		secret string
		mu     sync.Mutex
		_      int
		When   time.Time
		Others []inner
	}
	inner  struct{ hidden int }
	dashed struct {
		Name  string
		Extra inner `json:"-"`
	}
	base   struct{ ID int }
	extend struct {
		base
		Name string
	}
)

func (odd) MarshalText() ([]byte, error) { return nil, nil }

// What JSON writes and can't read again is known beforehand, wherever in the type it
// stands; and so are fields that are left out.
func TestInspect(t *testing.T) {
	for _, c := range []struct {
		codec any
		fault string // nothing: there is none
		lost  []string
	}{
		{serde.JSON[int](), "", nil},
		{serde.JSON[any](), "", nil},
		{serde.JSON[map[string]any](), "", nil},
		{serde.JSON[time.Time](), "", nil},
		{serde.JSON[json.RawMessage](), "", nil},
		{serde.JSON[*linked](), "", nil},
		{serde.JSON[skipped](), "", nil},
		{serde.JSON[extend](), "", nil},
		{serde.JSON[map[time.Duration]int](), "", nil},
		{serde.JSON[map[time.Time]int](), "", nil},
		{serde.JSON[shape](), "it is an interface with methods, serde_test.shape", nil},
		{serde.JSON[error](), "it is an interface with methods, error", nil},
		{serde.JSON[drawing](), "Shapes is an interface with methods", nil},
		{serde.JSON[[]nested](), "In.Shapes is an interface with methods", nil},
		{serde.JSON[untagged](), "Then has no form in JSON", nil},
		{serde.JSON[chan int](), "it has no form in JSON", nil},
		{serde.JSON[map[coordinates]int](), "the keys of it, of type serde_test.coordinates", nil},
		{serde.JSON[odd](), "MarshalText and no UnmarshalText", nil},
		{serde.JSON[partly](), "", []string{"serde_test.partly.secret", "serde_test.partly.Others.hidden"}},
		{serde.JSON[dashed](), "", nil},
		{serde.Gob[partly], "", nil}, // which is no codec
		{serde.EntryJSON[partly](), "", []string{"serde_test.partly.secret", "serde_test.partly.Others.hidden"}},
		{serde.EntryJSON[drawing](), "Shapes is an interface", nil},
		{serde.Encoded(serde.EntryJSON[drawing](), serde.Base64()), "Shapes is an interface", nil},
		{serde.Envelope(serde.EncodedCodec(serde.JSON[drawing](), serde.Base64())), "Shapes is an interface", nil},
		{"anything", "", nil},
		{nil, "", nil},
	} {
		lost, err := serde.Inspect(c.codec)
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) || !slices.Equal(lost, c.lost) {
			t.Errorf("%T: %v, %v; want %v, %q", c.codec, lost, err, c.lost, c.fault)
		}
	}
	gob, err := serde.Gob[partly]()
	if err != nil {
		t.Fatal(err)
	}
	if lost, err := serde.Inspect(gob); err != nil || len(lost) != 2 {
		t.Errorf("gob: %v, %v", lost, err)
	}
	p := partly{secret: "lost"}
	p.mu.Lock()
	defer p.mu.Unlock()
	if data, _ := serde.JSON[*partly]().Encode(&p); strings.Contains(string(data), p.secret) {
		t.Errorf("%s", data)
	}
	if lost, _ := serde.Inspect(serde.JSON[inner]()); len(lost) != 1 || (inner{hidden: 1}).hidden != 1 {
		t.Error(lost)
	}
}
