package memoize_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

type tenantKey struct{}

func inTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

func tenantOf(ctx context.Context) (string, error) {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant, nil
}

// A batched source has scopes, which never share a value.
func TestBatchesWithinScopes(t *testing.T) {
	loads := 0
	f, err := memoize.NewBatchedScoped(func(ctx context.Context, keys []string) (map[string]*user, error) {
		loads++
		tenant, _ := tenantOf(ctx)
		values := map[string]*user{}
		for _, key := range keys {
			values[key] = &user{Name: tenant + key}
		}
		return values, nil
	}, tenantOf)
	must(t, f, err)
	for range 2 {
		for _, tenant := range []string{"a", "b"} {
			got, err := f.CallMany(inTenant(t.Context(), tenant), []string{"1", "2"})
			noError(t, err)
			if got[0].Name != tenant+"1" || got[1].Name != tenant+"2" {
				t.Errorf("%s gets %v and %v", tenant, got[0], got[1])
			}
		}
	}
	if loads != 2 {
		t.Errorf("the source was asked %d times, want once for each scope", loads)
	}
	if _, err := memoize.NewBatchedScoped[string, *user](nil, nil); err == nil || !strings.Contains(err.Error(), "nil scope") {
		t.Errorf("a nil scope: %v", err)
	}
	if _, err := memoize.NewBatchedScoped[string, *user](nil, tenantOf); err == nil || !strings.Contains(err.Error(), "nil function") {
		t.Errorf("a nil source: %v", err)
	}
}

// Functions of no argument, of two and of three have configurations that change, with
// scopes too.
func TestConfigurationsOfOtherShapes(t *testing.T) {
	ctx := t.Context()
	none := config.Mutable(config.InMemory[memoize.None, *user]())
	f0, err := memoize.Memoize0(func(context.Context) (*user, error) { return &user{N: 7}, nil }, none)
	must(t, f0, err)
	wants(t, 7)(number(f0.Call(ctx)))

	loads := 0
	scoped := config.Mutable(config.InMemoryKeyed[args, config.Scoped[args], *user](config.ScopedKeys(config.Identity[args](), tenantOf)))
	f2, err := memoize.Memoize2(func(ctx context.Context, a, b string) (*user, error) {
		loads++
		tenant, _ := tenantOf(ctx)
		return &user{Name: tenant + a + b}, nil
	}, scoped)
	must(t, f2, err)
	for range 2 {
		for _, tenant := range []string{"a", "b"} {
			u, err := f2.Call(inTenant(ctx, tenant), "1", "x")
			noError(t, err)
			if u.Name != tenant+"1x" {
				t.Errorf("%s gets %v", tenant, u)
			}
		}
	}
	if loads != 2 {
		t.Errorf("%d loads of one pair in two scopes", loads)
	}
	must(t, f2, scoped.Apply(config.Configured(false)))
	if _, err := f2.Call(inTenant(ctx, "a"), "1", "x"); err == nil {
		t.Error("a change of the configuration is not seen")
	}

	f3, err := memoize.Memoize3(func(_ context.Context, a, b, c string) (*user, error) { return joined(a, b, c) },
		config.InMemory[memoize.Args3[string, string, string], *user](config.ExpireAfter(time.Hour)))
	must(t, f3, err)
	if got, err := number(f3.Call(ctx, "1", "2", "3")); got != 123 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	for name, err := range map[string]error{
		"Memoize0": func() error { _, err := memoize.Memoize0[memoize.None, *user](nil, none); return err }(),
		"Memoize2": func() error {
			_, err := memoize.Memoize2[string, string, config.Scoped[args], *user](nil, scoped)
			return err
		}(),
		"Memoize3": func() error {
			_, err := memoize.Memoize3[string, string, string, memoize.Args3[string, string, string], *user](nil, config.InMemory[memoize.Args3[string, string, string], *user]())
			return err
		}(),
	} {
		if err == nil || !strings.Contains(err.Error(), name+" is given a nil function") {
			t.Errorf("%s without a source: %v", name, err)
		}
	}
}
