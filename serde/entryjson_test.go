package serde_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

func TestEntryJSONVector(t *testing.T) {
	s := serde.EntryJSON[any]()
	value := map[string]any{"a": []any{1.0, nil}}
	e, err := s.Deserialize([]byte(`{"created": 1.0, "update_after": 2.0, "expires_after": 3.5, "value": {"a": [1, null]}}`))
	if err != nil || e.Created() != 1e9 || e.UpdateAfter() != 2e9 || e.ExpiresAfter() != 3.5e9 || !reflect.DeepEqual(e.Value, value) {
		t.Fatalf("read as %+v, %v", e, err)
	}
	if got := string(written(t, s, e)); got != `{"created":1.0,"update_after":2.0,"expires_after":3.5,"value":{"a":[1,null]}}` {
		t.Errorf("written as %s", got)
	}
}

// What Go has written comes back to the nanosecond.
func TestEntryJSONInstants(t *testing.T) {
	s := serde.EntryJSON[int]()
	for i, text := range map[entry.Instant]string{
		0: "0.0", 1: "0.000000001", -1: "-0.000000001", 1e9: "1.0", -1.5e9: "-1.5", born: "1700000000.123456789",
		entry.Never: "9223372036.854775807", entry.Never - 1: "9223372036.854775806", math.MinInt64: "-9223372036.854775808",
	} {
		record := written(t, s, entry.Restore(1, i, i, i))
		want := fmt.Sprintf(`{"created":%s,"update_after":%s,"expires_after":%s,"value":1}`, text, text, text)
		if string(record) != want {
			t.Errorf("%d is written as %s, want %s", i, record, want)
		}
		if e, err := s.Deserialize(record); err != nil || e.Created() != i || e.UpdateAfter() != i || e.ExpiresAfter() != i {
			t.Errorf("%d comes back as %+v, %v", i, e, err)
		}
	}
}

func TestNumbersOfEntryJSON(t *testing.T) {
	s := serde.EntryJSON[int]()
	record := func(seconds string) []byte {
		return fmt.Appendf(nil, `{"created": 0, "update_after": 0, "expires_after": %s, "value": 1}`, seconds)
	}
	for seconds, want := range map[string]entry.Instant{
		"3": 3e9, "3.0": 3e9, "-3": -3e9, "0": 0, "-0.0": 0, "1e3": 1e12, "1.5E+1": 15e9, "25e-1": 2.5e9, "1e-400": 0, "15e-9": 15,
		"1700000000.1234567": 1_700_000_000_123_456_700, "0.30000000000000004": 3e8, "0.9999999999": 999_999_999,
		"1709210096.789012": 1_709_210_096_789_012_000,
		// Python's float of Never, its last instant, and what has no end at all.
		"9223372036.854776": entry.Never, "253402300799.999999": entry.Never, "9223372036.854775808": entry.Never,
		"9223372037": entry.Never, "18446744074": entry.Never, "18446744073.709551616": entry.Never, "1e300": entry.Never, "1e18": entry.Never, strings.Repeat("9", 400): entry.Never,
		"-9223372036.854775808": math.MinInt64,
	} {
		if e, err := s.Deserialize(record(seconds)); err != nil || e.ExpiresAfter() != want {
			t.Errorf("%.40s is read as %+v, %v; want %d", seconds, e, err, want)
		}
	}
	for _, seconds := range []string{
		"NaN", "Infinity", "-Infinity", "1e400", "-1e400", "-1e300", "-9223372036.854775809", "-9223372037", "-" + strings.Repeat("9", 400),
		"null", "true", `"3.0"`, "[3]", "{}", "", "0x3", "+3", "3,", "03",
	} {
		refused(t, s, record(seconds), seconds, serde.ErrCorrupt)
	}
}

func TestStrangeEntryJSON(t *testing.T) {
	s := serde.EntryJSON[int]()
	whole := `{"created": 1, "update_after": 2, "expires_after": 3, "value": 4}`
	for name, record := range map[string]string{
		"nothing": "", "null": "null", "a list": "[]", "no object": `"x"`, "an empty object": "{}",
		"no created": `{"update_after": 2, "expires_after": 3, "value": 4}`, "no update_after": `{"created": 1, "expires_after": 3, "value": 4}`,
		"no expires_after": `{"created": 1, "update_after": 2, "value": 4}`, "no value": `{"created": 1, "update_after": 2, "expires_after": 3}`,
		"two of them": whole + whole, "cut short": whole[:len(whole)-1], "something behind it": whole + "x", "zlib": "\x78\x9c",
		"a value without end": whole[:len(whole)-2] + strings.Repeat("[", 100_000),
	} {
		refused(t, s, []byte(record), name, serde.ErrCorrupt)
	}
	refused(t, s, []byte(`{"created": 1, "update_after": 2, "expires_after": 3, "value": "text"}`), "a value of another type", serde.ErrValue)
	for name, record := range map[string]string{
		"more than is known": `{"x": 1, "created": 1, "update_after": 2, "expires_after": 3, "value": 4}`,
		"in another order":   ` { "value" : 4 , "expires_after" : 3 , "update_after" : 2 , "created" : 1 } `,
	} {
		if e, err := s.Deserialize([]byte(record)); err != nil || e.Value != 4 || e.ExpiresAfter() != 3e9 {
			t.Errorf("%s: read as %+v, %v", name, e, err)
		}
	}
}

func TestEntryJSONOfFails(t *testing.T) {
	broken := errors.New("broken")
	s, err := serde.EntryJSONOf(func(int) (string, error) { return "", broken }, func(string) (int, error) { return 0, broken })
	if err != nil {
		t.Fatal(err)
	}
	if record, err := s.Serialize(fresh(1)); !errors.Is(err, serde.ErrValue) || !errors.Is(err, broken) {
		t.Errorf("written as %q, %v", record, err)
	}
	e, err := s.Deserialize([]byte(`{"created": 1, "update_after": 2, "expires_after": 3, "value": "text"}`))
	if e != nil || !errors.Is(err, serde.ErrValue) || !errors.Is(err, broken) {
		t.Errorf("read as %v, %v", e, err)
	}
}
