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

// host is a key that is a struct, and that has an address in it.
type host struct {
	addr netip.Addr
	port uint16
}

// Addresses are keys, and have a text.
func TestAddressesAreKeys(t *testing.T) {
	f := memoize.Must(memoize.New(func(_ context.Context, at host) (int, error) {
		if text := at.addr.String(); text != "fe80::1%eth0" {
			t.Errorf("the source is asked for %s", text)
		}
		return int(at.port), nil
	}, config.Name("hosts")))
	for range 2 {
		wants(t, 80)(f.Call(t.Context(), host{netip.MustParseAddr("fe80::1%eth0"), 80}))
	}
	if s := f.Stats(); s.Loads != 1 {
		t.Errorf("%d loads of one address", s.Loads)
	}
	if text, err := f.Key(host{netip.MustParseAddr("::1"), 80}); text != `hosts:0:{"::1",80}` || err != nil {
		t.Errorf("its text is %q, %v", text, err)
	}
}

// A scope that is nil would share values between all.
func TestNilPartsAreRefused(t *testing.T) {
	for name, err := range map[string]error{
		"a nil scope":        func() error { _, err := memoize.NewScoped(returning[string](new(user)).load, nil); return err }(),
		"a nil key function": func() error { _, err := memoize.NewKeyed[string, string](returning[string](1).load, nil); return err }(),
		"no settings":        func() error { return new(config.Live[string, string, int]).Apply(config.Capacity(1)) }(),
		"not configured":     config.Of(config.Settings[string, string, int]{}).Err(),
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
	var asked [][]string
	source := func(ctx context.Context, args []string) (map[string]*user, error) {
		mu.Lock()
		defer mu.Unlock()
		args = slices.Sorted(slices.Values(args))
		asked = append(asked, args)
		factor := ctx.Value(tenant{}).(int)
		values := map[string]*user{}
		for _, arg := range args {
			values[arg] = &user{N: factor * len(arg)}
		}
		return values, nil
	}
	keys := config.ScopedKeys(config.Identity[string](), func(ctx context.Context) (string, error) {
		return strconv.Itoa(ctx.Value(tenant{}).(int)), nil
	})
	f, err := memoize.MemoizeBatched(source, config.InMemoryKeyed[string, config.Scoped[string], *user](keys, config.MaxBatch(2)))
	must(t, f, err)
	for range 2 {
		for _, factor := range []int{10, 100} {
			values, err := f.CallMany(context.WithValue(t.Context(), tenant{}, factor), []string{"a", "bb"})
			noError(t, err)
			if values[0].N != factor || values[1].N != 2*factor {
				t.Errorf("of %d: %v and %v", factor, values[0], values[1])
			}
		}
	}
	if want := [][]string{{"a", "bb"}, {"a", "bb"}}; !slices.EqualFunc(asked, want, slices.Equal) {
		t.Errorf("the source was asked for %v", asked)
	}
	if _, err := memoize.MemoizeBatched[string](nil, config.InMemoryKeyed[string, config.Scoped[string], *user](keys), config.Capacity(1)); err == nil ||
		!strings.Contains(err.Error(), "nil function") || !strings.Contains(err.Error(), "belongs to the configuration") {
		t.Errorf("no source, and an option of the configuration: %v", err)
	}
}
