package keytext

import (
	"net/netip"
	"reflect"
	"strconv"
)

// Textual are the types that have pointers within and compare by what they mean.
var Textual = map[reflect.Type]bool{
	reflect.TypeFor[netip.Addr](): true, reflect.TypeFor[netip.AddrPort](): true, reflect.TypeFor[netip.Prefix](): true,
}

// textual is the text of a value of one of these types. Of those that netip calls
// invalid the zero value has netip's text; others may differ from one another, which
// that text does not show.
func textual(v reflect.Value) (text string, ok bool) {
	if !Textual[v.Type()] {
		return "", false
	}
	switch a := v.Interface().(type) {
	case netip.Addr:
		text = a.String()
	case netip.AddrPort:
		if text = a.String(); !a.IsValid() && a != (netip.AddrPort{}) {
			text = a.Addr().String() + ":" + strconv.Itoa(int(a.Port()))
		}
	case netip.Prefix:
		if text = a.String(); !a.IsValid() && a != (netip.Prefix{}) {
			text = a.Addr().String() + "/" + strconv.Itoa(a.Bits())
		}
	}
	return text, true
}
