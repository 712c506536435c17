package storage_test

import (
	"strings"
	"testing"

	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/storage"
)

// inTenant is a key in a scope, as config.Scoped is.
type inTenant struct {
	Scope string
	Key   string
}

func (k inTenant) InScope(module.Only) string { return k.Scope }

// Stores hold entries under such keys: they must be the same in every version. All keys
// of a scope begin alike.
func TestKeysInScopesNeverChange(t *testing.T) {
	b, long := limited{storage.Null{}, 100}, strings.Repeat("k", 100)
	for _, c := range []struct {
		prefix, scope, key, want string
	}{
		{"svc:", "a", "k", `svc:f:0:{"a","k"}`},
		{"svc:", "a", "k}", `svc:f:0:{}{"a","k}"}`},
		{"svc:", "a", long, `svc:f:0:{"a",#e9cf98d10356f404159d869d998c6de5`},
		{"svc:", "a}", long, `svc:f:0:{}{"a}",#`},
		{"svc:", long, "k", `svc:f:0:{#`},
		{"svc{", "a", "k", `svc{f:0:{"a",#`},
		{"svc{", "a}", "k", `svc{f:0:{#`},
		{strings.Repeat("p", 40), "a", long, strings.Repeat("p", 40) + `f:0:#`},
	} {
		got := keyOf(t, b, c.prefix, "f", inTenant{c.scope, c.key})
		if got != c.want && (!strings.HasSuffix(c.want, "#") || !strings.HasPrefix(got, c.want)) || len(got) > 100 {
			t.Errorf("%.9q in %.9q has %s, want %s", c.key, c.scope, got, c.want)
		}
	}
}
