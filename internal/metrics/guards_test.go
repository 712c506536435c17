package metrics

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/guard"
)

// Every number of a guard's State is a metric, each of a field of its own, under the
// field's name.
func TestGuardsReadTheirOwn(t *testing.T) {
	for _, m := range Guards {
		field := strings.ReplaceAll(strings.TrimPrefix(m.OpenTelemetry, "perennial.guard."), "_", "")
		var s guard.State
		of := reflect.ValueOf(&s).Elem().FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, field) })
		switch v := of.Addr().Interface().(type) {
		case *[guard.Classes]uint64:
			if m.ByClass(&s) != v {
				t.Errorf("%s is not the field %s", m.OpenTelemetry, field)
			}
			continue
		case *time.Duration:
			if got := m.Value(&s); got >= 0 {
				t.Errorf("%s is %v while it is not known", m.OpenTelemetry, got)
			}
			*v = 7 * time.Second
		case *bool:
			if got := m.Value(&s); got != 0 {
				t.Errorf("%s is %v while it is not so", m.OpenTelemetry, got)
			}
			*v = true
			if got := m.Value(&s); got != 1 {
				t.Errorf("%s is %v while it is so", m.OpenTelemetry, got)
			}
			continue
		case *int:
			*v = 7
		case *uint64:
			*v = 7
		default:
			t.Fatalf("%s is of a %T", m.OpenTelemetry, v)
		}
		if got := m.Value(&s); got != 7 {
			t.Errorf("%s is %v, want 7", m.OpenTelemetry, got)
		}
	}
	// Name is the label; of Probing, DownFor and NextProbe a scrape sees too little.
	fields := reflect.VisibleFields(reflect.TypeFor[guard.State]())
	if want := len(Guards) + len([]string{"Stats", "Name", "Probing", "DownFor", "NextProbe"}); len(fields) != want {
		t.Errorf("a guard's State has %d fields, and there are metrics for %d: export the new ones", len(fields), want)
	}
}

// Guards of a list are there, and can be told apart.
func TestCheckGuards(t *testing.T) {
	a, b := made(t, "a"), made(t, "b")
	for want, guards := range map[string][]*guard.Guard{
		"":                         {a, b},
		"guard 2 of 2 is nil":      {a, nil},
		"guard 1 of 3 is nil":      {nil, a, a},
		"two guards are called":    {a, b, made(t, "a")},
		`called "b": list each on`: {b, b},
	} {
		err := CheckGuards(guards)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func made(t *testing.T, name string) *guard.Guard {
	t.Helper()
	g, err := guard.New(name)
	if err != nil {
		t.Fatal(err)
	}
	return g
}
