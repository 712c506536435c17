package memoize_test

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// Addresses are keys, and have a text.
func TestAddressesAreKeys(t *testing.T) {
	type key struct {
		addr netip.Addr
		port uint16
	}
	f := memoize.Must(memoize.New(func(_ context.Context, k key) (string, error) { return k.addr.String(), nil }, config.Name("hosts")))
	for range 2 {
		wants(t, "fe80::1%eth0")(f.Call(t.Context(), key{netip.MustParseAddr("fe80::1%eth0"), 80}))
	}
	if s := f.Stats(); s.Loads != 1 {
		t.Errorf("%d loads of one address", s.Loads)
	}
	if text, err := f.Key(key{netip.MustParseAddr("::1"), 80}); text != `hosts:0:{"::1",80}` || err != nil {
		t.Errorf("its text is %q, %v", text, err)
	}
}

// A scope that is nil would share values between all.
func TestNilPartsAreRefused(t *testing.T) {
	for name, err := range map[string]error{
		"a nil scope":        func() error { _, err := memoize.NewScoped(returning[int](1).load, nil); return err }(),
		"a nil key function": func() error { _, err := memoize.NewKeyed[int, int](returning[int](1).load, nil); return err }(),
		"no settings":        func() error { return new(config.Live[int, int, int]).Apply(config.Capacity(1)) }(),
		"not configured":     config.Of(config.Settings[int, int, int]{}).Err(),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// A batched function under a configuration object has scopes too: the source is
// given the arguments, and what it returns belongs to the scope of the caller.
func TestBatchesUnderAConfiguration(t *testing.T) {
	type tenant struct{}
	var mu sync.Mutex
	var asked [][]int
	source := func(ctx context.Context, args []int) (map[int]int, error) {
		mu.Lock()
		defer mu.Unlock()
		args = slices.Sorted(slices.Values(args))
		asked = append(asked, args)
		factor := ctx.Value(tenant{}).(int)
		values := map[int]int{}
		for _, arg := range args {
			values[arg] = factor * arg
		}
		return values, nil
	}
	keys := config.ScopedKeys(config.Identity[int](), func(ctx context.Context) (string, error) {
		return strconv.Itoa(ctx.Value(tenant{}).(int)), nil
	})
	f, err := memoize.MemoizeBatched(source, config.InMemoryKeyed[int, config.Scoped[int], int](keys, config.MaxBatch(2)))
	must(t, f, err)
	for range 2 {
		for _, factor := range []int{10, 100} {
			values, err := f.CallMany(context.WithValue(t.Context(), tenant{}, factor), []int{1, 2})
			if err != nil || !slices.Equal(values, []int{factor, 2 * factor}) {
				t.Errorf("of %d: %v, %v", factor, values, err)
			}
		}
	}
	if want := [][]int{{1, 2}, {1, 2}}; !slices.EqualFunc(asked, want, slices.Equal) {
		t.Errorf("the source was asked for %v", asked)
	}
	if _, err := memoize.MemoizeBatched[int](nil, config.InMemoryKeyed[int, config.Scoped[int], int](keys), config.Capacity(1)); err == nil ||
		!strings.Contains(err.Error(), "nil function") || !strings.Contains(err.Error(), "belongs to the configuration") {
		t.Errorf("no source, and an option of the configuration: %v", err)
	}
}
