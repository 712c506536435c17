package storage_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/storage"
)

type (
	symbolDay struct {
		Symbol string
		Day    int
	}
	tenant   struct{ ID int }
	tenanted struct {
		Tenant tenant
		ID     int
	}
	scoped struct {
		Scope string
		Key   tenant
	}
)

// limited is a store whose keys have a greatest length.
type limited struct {
	storage.Null
	most int
}

func (l limited) MaxKey() int { return l.most }

// keyOf is a key in the store of a function of this name.
func keyOf[K comparable](t testing.TB, b storage.Bytes, prefix, name string, key K) string {
	t.Helper()
	store, err := storage.Share(b, storage.Prefix(prefix))
	if err != nil {
		t.Fatal(err)
	}
	shared, err := storage.NewPart[K, int](store, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Bind(name); err != nil {
		t.Fatal(err)
	}
	text, err := shared.KeyText(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Stores hold entries under such keys: they must be the same in every version.
func TestKeysNeverChange(t *testing.T) {
	b := storage.Null{}
	for text, want := range map[string]string{
		keyOf(t, b, "svc:", "users", 42):                                  `svc:users:0:42`,
		keyOf(t, b, "svc:", "users", "ann"):                               `svc:users:0:"ann"`,
		keyOf(t, b, "svc:", "users", "ann}"):                              `svc:users:0:"ann}"`,
		keyOf(t, b, "", "pkg.(*T).Load-fm", 1.5):                          `pkg.(*T).Load-fm:0:1.5`,
		keyOf(t, b, "", "a:b c%d", true):                                  `a%3Ab%20c%25d:0:true`,
		keyOf(t, b, "svc:", "pair", [2]int{1, 2}):                         `svc:pair:0:[1,2]`,
		keyOf(t, b, "svc:", "none", struct{}{}):                           `svc:none:0:{}`,
		keyOf(t, b, "svc:", "prices", symbolDay{"ACME", 7}):               `svc:prices:0:{"ACME",7}`,
		keyOf(t, b, "svc:", "prices", struct{ A any }{"x"}):               `svc:prices:0:{.string("x")}`,
		keyOf(t, b, "svc:", "scoped", struct{ S, K any }{nil, [1]int{7}}): `svc:scoped:0:{nil,.[1]int([7])}`,
		keyOf(t, b, "svc:", "scoped", scoped{"a", tenant{7}}):             `svc:scoped:0:{"a",{7}}`,
		keyOf(t, b, "svc:", "scopes", [1]scoped{}):                        `svc:scopes:0:{}[{"",{0}}]`,
		keyOf(t, b, "svc:", "tenants", tenanted{tenant{1}, 2}):            `svc:tenants:0:{}{{1},2}`,
		keyOf(t, b, "svc:", "prices", symbolDay{"}", 7}):                  `svc:prices:0:{}{"}",7}`,
		keyOf(t, b, "svc:", "users", "{a}:1"):                             `svc:users:0:{}"{a}:1"`,
		keyOf(t, b, "svc:", "{users}", 42):                                `svc:%7Busers%7D:0:42`,
		keyOf(t, b, "{svc}:", "users", 42):                                `{svc}:users:0:42`,
		keyOf(t, b, "svc{", "users", 42):                                  `svc{users:0:42`,
		keyOf(t, b, "svc{", "prices", symbolDay{"ACME", 7}):               `svc{prices:0:#cce1c51da8bfd334b0071fafad5f2411`,
		keyOf(t, limited{most: 24}, "", "f", "012345678901234567"):        `f:0:"012345678901234567"`,
		keyOf(t, limited{most: 23}, "", "f", "012345678901234567"):        `f:0:#93ed2886132399c50fc79b7bcc45cc98`,
		keyOf(t, limited{most: 13}, "", "f", tenanted{tenant{1}, 2}):      `f:0:{}{{1},2}`,
		keyOf(t, limited{most: 12}, "", "f", tenanted{tenant{1}, 2}):      `f:0:#bfde9dc4adf226ae081b37362596f238`,
	} {
		if text != want {
			t.Errorf("the key is %s, and stores hold %s", text, want)
		}
	}
}

// The recipe of docs/stores.md makes the keys that are made here.
func TestPythonMakesTheSameKeys(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the recipe is not checked against it")
	}
	docs, err := os.ReadFile("../docs/stores.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, found := strings.Cut(string(docs), "```python\n")
	recipe, _, ended := strings.Cut(recipe, "```")
	if !found || !ended {
		t.Fatal("docs/stores.md has no recipe")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	texts := []string{"", "ann", "{a}", "{}", "}", `"\`, "\U0001FAE9", "\U0002EBF0", "\u0897", "👨\u200d👩", "\u2028", "\u00a0"}
	for c := range rune(0x100) {
		texts = append(texts, string(c))
	}
	for range 1000 {
		text := ""
		for range r.IntN(8) {
			text += string(rune(r.IntN(1 << r.IntN(21)))) // what is no character becomes U+FFFD
		}
		texts = append(texts, text)
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", recipe+"\nimport json, sys\nprint(json.dumps([key('svc:users:0:', t) for t in json.load(sys.stdin)]))")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	if err := json.Unmarshal(out, &keys); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if want := keyOf(t, storage.Null{}, "svc:", "users", text); keys[i] != want {
			t.Errorf("Python makes the key %q of %q, want %q", keys[i], text, want)
		}
	}
}
