package tree_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage/tree"
)

type limits struct {
	Name  string            `json:"name"`
	Most  int64             `json:"most"`
	Rate  float64           `json:"rate,omitempty"`
	Hosts []string          `json:"hosts"`
	Tags  map[string]string `json:"tags"`
	Since time.Time         `json:"since"`
}

// What is set as a T is got as a T, and its fields have paths.
func TestTypedGet(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	want := limits{"a", math.MaxInt64, 0.1, []string{"x", "y"}, map[string]string{"a.b": "c", "d": ""}, time.Unix(1, 5).UTC()}
	set(t, tr, "x", want)
	if got, err := tree.Get[limits](t.Context(), tr, at("x")); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get returns %v, %v; want %v", got, err, want)
	}
	if got, err := tree.Get[*limits](t.Context(), tr, at("x")); err != nil || !reflect.DeepEqual(got, &want) {
		t.Errorf("Get returns %v, %v; want %v", got, err, want)
	}
	if got, err := tree.Get[int64](t.Context(), tr, at("x.most")); err != nil || got != math.MaxInt64 {
		t.Errorf("Get returns %v, %v", got, err)
	}
	if got, err := tree.Get[map[string]string](t.Context(), tr, at("x.tags")); err != nil || !reflect.DeepEqual(got, want.Tags) {
		t.Errorf("Get returns %v, %v", got, err)
	}
	if got, err := tree.Get[[]string](t.Context(), tr, at("x.hosts")); err != nil || !reflect.DeepEqual(got, want.Hosts) {
		t.Errorf("Get returns %v, %v", got, err)
	}
	if got, err := tree.Get[map[string]map[string]any](t.Context(), tr, at("")); err != nil || got["x"]["most"] != json.Number("9223372036854775807") {
		t.Errorf("Get returns %v, %v", got, err)
	}
	var mismatch *json.UnmarshalTypeError
	if _, err := tree.Get[int](t.Context(), tr, at("x.name")); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), `"x.name"`) {
		t.Errorf("Get of a text as a number says %v", err)
	}
	if _, err := tree.Get[map[string]any](t.Context(), tr, at("x.name")); err == nil {
		t.Error("a text is got as a map")
	}
	if _, err := tree.Get[int](t.Context(), tr, at("y")); !errors.Is(err, tree.ErrNotFound) {
		t.Errorf("Get of nothing says %v", err)
	}
	set(t, tr, "null", nil)
	if got, err := tree.Get[map[string]any](t.Context(), tr, at("null")); err != nil || got != nil {
		t.Errorf("Get of null returns %v, %v", got, err)
	}
	if got, err := tree.Get[any](t.Context(), tr, at("x.tags")); err != nil || !reflect.DeepEqual(got, object{"a.b": "c", "d": ""}) {
		t.Errorf("Get returns %v, %v", got, err)
	}
	noError(t, tr.Set(t.Context(), []string{"bytes", "\xff"}, 1))
	if _, err := tree.Get[map[string]int](t.Context(), tr, at("bytes")); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("Get of a name that JSON can't have says %v", err)
	}
	if got := lookUp(t, tr, at("bytes")); !reflect.DeepEqual(got, object{"\xff": int64(1)}) {
		t.Errorf("Get returns %v", got)
	}
}

type text string

// How values come back.
func TestValues(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	var nilMap map[string]any
	var nilPointer *limits
	one := 1
	for name, c := range map[string]struct{ value, want any }{
		"int":              {1, int64(1)},
		"negative":         {int8(-1), int64(-1)},
		"largest":          {int64(math.MaxInt64), int64(math.MaxInt64)},
		"smallest":         {int64(math.MinInt64), int64(math.MinInt64)},
		"beyond int64":     {uint64(math.MaxUint64), uint64(math.MaxUint64)},
		"beyond uint64":    {json.Number("18446744073709551616"), json.Number("18446744073709551616")},
		"odd, over 2^53":   {int64(1<<53 + 1), int64(1<<53 + 1)},
		"float":            {0.1, 0.1},
		"whole float":      {3.0, int64(3)},
		"large float":      {1e300, 1e300},
		"beyond float":     {json.Number("1e999"), json.Number("1e999")},
		"minus zero":       {math.Copysign(0, -1), int64(0)},
		"markup":           {"<a & b>", "<a & b>"},
		"escapes":          {"\"\\\n\u2028\x00\ufffd", "\"\\\n\u2028\x00\ufffd"},
		"no escape":        {`\ufffd`, `\ufffd`},
		"no half of one":   {`\ud800`, `\ud800`},
		"a pair":           {json.RawMessage(`"\ud83d\ude00"`), "\U0001F600"},
		"bytes":            {[]byte("\xff"), "/w=="},
		"own text":         {text("x"), "x"},
		"own keys":         {map[text]int{"a": 1}, object{"a": int64(1)}},
		"nil map":          {nilMap, nil},
		"nil pointer":      {nilPointer, nil},
		"pointer":          {&one, int64(1)},
		"pointer to map":   {&map[string]any{"a": 1}, object{"a": int64(1)}},
		"raw":              {json.RawMessage(`{"a": [1, {"b": 2}], "c": {}}`), object{"a": []any{int64(1), object{"b": int64(2)}}, "c": object{}}},
		"slice of maps":    {[]map[string]int{{"a": 1}}, []any{object{"a": int64(1)}}},
		"large in a slice": {[]any{int64(1<<53 + 1)}, []any{int64(1<<53 + 1)}},
		"empty struct":     {struct{}{}, object{}},
		"map of empty map": {object{"a": object{}, "b": object{"c": object{}}}, object{"a": object{}, "b": object{"c": object{}}}},
		"zero time":        {time.Time{}, "0001-01-01T00:00:00Z"},
	} {
		set(t, tr, "x", c.value)
		if got := lookUp(t, tr, at("x")); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v comes back as %#v, want %#v", name, c.value, got, c.want)
		}
	}
}

// An empty map is a value until something is set below it, and a node whose last
// element goes is none.
func TestEmptyMaps(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "", object{})
	holds(t, tr, "", object{})
	set(t, tr, "a", object{})
	holds(t, tr, "", object{"a": object{}})
	set(t, tr, "a.b", object{})
	holds(t, tr, "a", object{"b": object{}})
	if _, err := tr.Delete(t.Context(), at("a.b")); err != nil {
		t.Error(err)
	}
	holds(t, tr, "", nothing)
}

type refusing struct{}

var errRefusing = errors.New("it does not want to")

func (refusing) MarshalJSON() ([]byte, error) { return nil, errRefusing }

// What can't be stored is refused as a whole, with the path at which it is.
func TestValuesThatCantBeStored(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t, tree.MaxLeaves(100), tree.MaxBytes(100_000))
	cyclic := object{}
	cyclic["self"] = cyclic
	many := map[string]int{}
	for i := range 101 {
		many[strings.Repeat("x", i+1)] = i
	}
	set(t, tr, "x", object{"a": 1, "b": object{"c": 2}})
	for name, c := range map[string]struct {
		value any
		is    error
		says  string
	}{
		"channel":         {object{"a": 1, "b": make(chan int)}, tree.ErrValue, `"x.b"`},
		"function":        {func() {}, tree.ErrValue, `"x"`},
		"NaN":             {object{"a": object{"b": math.NaN()}}, tree.ErrValue, `"x.a.b"`},
		"infinite":        {[]float64{math.Inf(1)}, tree.ErrValue, `"x"`},
		"numbers as keys": {object{"a": 1, "b": map[int]string{1: "x"}}, tree.ErrValue, `"x.b"`},
		"empty key":       {object{"a": object{"": 1}}, tree.ErrPath, `"x.a."`},
		"no UTF-8":        {object{"a": "\xff"}, tree.ErrValue, `"x.a"`},
		"no UTF-8 within": {object{"a": []string{"\xff"}}, tree.ErrValue, `"x.a"`},
		"no UTF-8 as key": {struct{ M map[string]int }{map[string]int{"\xff": 1}}, tree.ErrValue, `"x"`},
		"half a pair":     {object{"a": json.RawMessage(`"\ud800"`)}, tree.ErrValue, `"x.a"`},
		"bytes as JSON":   {object{"a": json.RawMessage("\"\xff\"")}, tree.ErrValue, `"x.a"`},
		"cyclic":          {cyclic, tree.ErrPath, "nest less deeply"},
		"wrong number":    {json.Number("1x"), tree.ErrValue, `"x"`},
		"wrong JSON":      {json.RawMessage(`{"a":`), tree.ErrValue, `"x"`},
		"its own refusal": {object{"a": refusing{}}, errRefusing, `"x.a"`},
		"many leaves":     {many, tree.ErrTooLarge, "100 leaves"},
		"many bytes":      {strings.Repeat("x", 100_001), tree.ErrTooLarge, "100000 bytes"},
		"long key":        {object{strings.Repeat("x", 5000): 1}, tree.ErrPath, "bytes"},
	} {
		err := tr.Set(t.Context(), at("x"), c.value)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Set says %v, want %q", name, err, c.says)
		}
		if !errors.Is(err, tree.ErrValue) && !errors.Is(err, tree.ErrTooLarge) {
			t.Errorf("%s: it is neither ErrValue nor ErrTooLarge: %v", name, err)
		}
		if err != nil && len(err.Error()) > 600 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
		if err := tr.Set(t.Context(), at("x"), c.value, tree.For(0)); err == nil {
			t.Errorf("%s: it is set for no time", name)
		}
		holds(t, tr, "x", object{"a": int64(1), "b": object{"c": int64(2)}})
	}
}

// What is too much to be got at once is so said, and its leaves can be had.
func TestTooLargeToGet(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	const n = 1201
	value := object{}
	for i := range n {
		value[strings.Repeat("x", i%40+1)+string(rune('a'+i/40))] = int64(i)
	}
	set(t, tr, "x", object{"y": value})
	small := newTree(t, newClient(t, s), tree.MaxLeaves(n-1))
	if _, err := small.Get(t.Context(), at("x")); !errors.Is(err, tree.ErrTooLarge) {
		t.Errorf("Get says %v", err)
	}
	if _, err := tree.Get[map[string]any](t.Context(), newTree(t, newClient(t, s), tree.MaxLeaves(n)), at("x")); err != nil {
		t.Errorf("Get says %v", err)
	}
	all, last := object{}, ""
	for _, leaf := range leaves(t, small, "x") {
		all[leaf.Path[2]] = leaf.Value
		if leaf.Path[2] <= last {
			t.Errorf("%q comes after %q", leaf.Path[2], last)
		}
		last = leaf.Path[2]
	}
	if !reflect.DeepEqual(all, value) {
		t.Errorf("there are %d leaves, want %d, or they have other values", len(all), n)
	}
	names := children(t, small, "x.y")
	if len(names) != n {
		t.Errorf("there are %d children, want %d", len(names), n)
	}
	for _, name := range names {
		if _, ok := value[name]; !ok {
			t.Errorf("%q is a child, and was not set", name)
		}
	}
	for range small.Leaves(t.Context(), at("x")) {
		break
	}
	for range small.Children(t.Context(), at("x.y")) {
		break
	}
}
