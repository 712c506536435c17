package memoize_test

import (
	"context"
	"net/netip"
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
		"a nil scope":        func() error { _, err := memoize.New(returning[int](1).load, config.Scope(nil)); return err }(),
		"a nil key function": func() error { _, err := memoize.NewKeyed[int, int](returning[int](1).load, nil); return err }(),
		"no settings":        func() error { return new(config.Live[int, int, int]).Apply(config.Capacity(1)) }(),
		"not configured":     config.Of(config.Settings[int, int, int]{}).Err(),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
