package memoize_test

import (
	"context"
	"fmt"
	"slices"
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
	f, err := memoize.NewBatchedScoped(func(ctx context.Context, keys []int) (map[int]string, error) {
		loads++
		tenant, _ := tenantOf(ctx)
		values := map[int]string{}
		for _, key := range keys {
			values[key] = fmt.Sprint(tenant, key)
		}
		return values, nil
	}, tenantOf)
	must(t, f, err)
	for range 2 {
		for _, tenant := range []string{"a", "b"} {
			got, err := f.CallMany(inTenant(t.Context(), tenant), []int{1, 2})
			if want := []string{tenant + "1", tenant + "2"}; err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		}
	}
	if loads != 2 {
		t.Errorf("the source was asked %d times, want once for each scope", loads)
	}
	if _, err := memoize.NewBatchedScoped[int, int](nil, nil); err == nil || !strings.Contains(err.Error(), "nil scope") {
		t.Errorf("a nil scope: %v", err)
	}
	if _, err := memoize.NewBatchedScoped[int, int](nil, tenantOf); err == nil || !strings.Contains(err.Error(), "nil function") {
		t.Errorf("a nil source: %v", err)
	}
}

// Functions of no argument, of two and of three have configurations that change, with
// scopes too.
func TestConfigurationsOfOtherShapes(t *testing.T) {
	ctx := t.Context()
	none := config.Mutable(config.InMemory[memoize.None, string]())
	f0, err := memoize.Memoize0(func(context.Context) (string, error) { return "0", nil }, none)
	must(t, f0, err)
	wants(t, "0")(f0.Call(ctx))

	loads := 0
	type two = memoize.Args2[int, string]
	scoped := config.Mutable(config.InMemoryKeyed[two, config.Scoped[two], string](config.ScopedKeys(config.Identity[two](), tenantOf)))
	f2, err := memoize.Memoize2(func(ctx context.Context, a int, b string) (string, error) {
		loads++
		tenant, _ := tenantOf(ctx)
		return fmt.Sprint(tenant, a, b), nil
	}, scoped)
	must(t, f2, err)
	for range 2 {
		wants(t, "a1x")(f2.Call(inTenant(ctx, "a"), 1, "x"))
		wants(t, "b1x")(f2.Call(inTenant(ctx, "b"), 1, "x"))
	}
	if loads != 2 {
		t.Errorf("%d loads of one pair in two scopes", loads)
	}
	must(t, f2, scoped.Apply(config.Configured(false)))
	if _, err := f2.Call(inTenant(ctx, "a"), 1, "x"); err == nil {
		t.Error("a change of the configuration is not seen")
	}

	f3, err := memoize.Memoize3(func(_ context.Context, a, b, c int) (int, error) { return a + b + c, nil },
		config.InMemory[memoize.Args3[int, int, int], int](config.ExpireAfter(time.Hour)))
	must(t, f3, err)
	if got, err := f3.Call(ctx, 1, 2, 3); got != 6 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	for name, err := range map[string]error{
		"Memoize0": func() error { _, err := memoize.Memoize0[memoize.None, string](nil, none); return err }(),
		"Memoize2": func() error {
			_, err := memoize.Memoize2[int, string, config.Scoped[two], string](nil, scoped)
			return err
		}(),
		"Memoize3": func() error {
			_, err := memoize.Memoize3[int, int, int, memoize.Args3[int, int, int], int](nil, config.InMemory[memoize.Args3[int, int, int], int]())
			return err
		}(),
	} {
		if err == nil || !strings.Contains(err.Error(), name+" is given a nil function") {
			t.Errorf("%s without a source: %v", name, err)
		}
	}
}
