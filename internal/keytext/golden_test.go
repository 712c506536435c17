package keytext

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"
)

type (
	date  struct{ Year, Month, Day int }
	name  string
	flags [3]bool
	quote struct {
		Symbol string
		Day    date
	}
	hidden struct {
		addr netip.AddrPort
		n    uint16
	}
	mixed struct {
		B bool
		I int8
		U uint64
		F float32
		C complex64
		S name
		A [2]string
		X any
	}
	blank struct {
		A int
		_ int
		B string
	}
	boxed[T any] struct{ V T }
)

// golden is texts that stores hold: they must be the same in every version, under
// every toolchain and on every machine.
var golden = []struct {
	text func() (string, error)
	want string
}{
	{textOf(""), `""`},
	{textOf("ann"), `"ann"`},
	{textOf("a b/c:d%e"), `"a b/c:d%e"`},
	{textOf(`back\slash and "quote"`), `"back\\slash and \"quote\""`},
	{textOf("tab\tline\ncr\rnul\x00bell\a\b\f\v\x1b\x7f"), `"tab\tline\ncr\rnul\x00bell\a\b\f\v\x1b\x7f"`},
	{textOf("\u0080\u0085\u009b\u009f"), `"\u0080\u0085\u009b\u009f"`},
	{textOf("Grüße, Жизнь, 你好, こんにちは, עברית, عربي, हिन्दी"), `"Grüße, Жизнь, 你好, こんにちは, עברית, عربي, हिन्दी"`},
	{textOf("e\u0301 ¡¢£ × ÷ ‐ – — ‘’ “” … € ™ → ∞ ☃ 😀 𝔘 𐍈 �"), `"é ¡¢£ × ÷ ‐ – — ‘’ “” … € ™ → ∞ ☃ 😀 𝔘 𐍈 �"`},
	{textOf("\xff\xc3(\xed\xa0\x80\xf4\x90\x80\x80"), `"\xff\xc3(\xed\xa0\x80\xf4\x90\x80\x80"`},
	{textOf(name("n")), `"n"`},
	{textOf(0), `0`},
	{textOf(-42), `-42`},
	{textOf(int8(math.MinInt8)), `-128`},
	{textOf(int64(math.MinInt64)), `-9223372036854775808`},
	{textOf(uint64(math.MaxUint64)), `18446744073709551615`},
	{textOf(uint8(7)), `7`},
	{textOf(uintptr(7)), `7`},
	{textOf(time.Minute), `60000000000`},
	{textOf('x'), `120`},
	{textOf(true), `true`},
	{textOf(false), `false`},
	{textOf(0.0), `0`},
	{textOf(math.Copysign(0, -1)), `0`},
	{textOf(1.0), `1`},
	{textOf(0.1), `0.1`},
	{textOf(float32(0.1)), `0.1`},
	{textOf(1e5), `100000`},
	{textOf(123456.0), `123456`},
	{textOf(1e20), `1e+20`},
	{textOf(1e21), `1e+21`},
	{textOf(123456789012345680000.0), `1.2345678901234568e+20`},
	{textOf(0.0001), `0.0001`},
	{textOf(0.00001), `1e-05`},
	{textOf(math.MaxFloat64), `1.7976931348623157e+308`},
	{textOf(math.SmallestNonzeroFloat64), `5e-324`},
	{textOf(float32(math.MaxFloat32)), `3.4028235e+38`},
	{textOf(float32(16777216)), `1.6777216e+07`},
	{textOf(math.Inf(1)), `+Inf`},
	{textOf(math.Inf(-1)), `-Inf`},
	{textOf(complex(1, -2.5)), `(1,-2.5)`},
	{textOf(complex64(complex(0.1, math.Inf(1)))), `(0.1,+Inf)`},
	{textOf([0]int{}), `[]`},
	{textOf([2]int{1, 2}), `[1,2]`},
	{textOf([2][2]string{{"a", "b"}, {"c", "d"}}), `[["a","b"],["c","d"]]`},
	{textOf(flags{true, false, true}), `[true,false,true]`},
	{textOf(struct{}{}), `{}`},
	{textOf(date{2024, 2, 29}), `{2024,2,29}`},
	{textOf(quote{"ACME", date{2024, 2, 29}}), `{"ACME",{2024,2,29}}`},
	{textOf(struct {
		date
		N int
	}{date{1, 2, 3}, 4}), `{{1,2,3},4}`},
	{textOf(blank{A: 1, B: "b"}), `{1,0,"b"}`},
	{textOf(boxed[int]{5}), `{5}`},
	{textOf(mixed{true, -1, 2, 0.5, 1 + 2i, "s", [2]string{"a", "b"}, nil}), `{true,-1,2,0.5,(1,2),"s",["a","b"],nil}`},
	{textOf(mixed{X: 7}), `{false,0,0,0,(0,0),"",["",""],.int(7)}`},
	{textOf(netip.Addr{}), `"invalid IP"`},
	{textOf(netip.MustParseAddr("192.0.2.1")), `"192.0.2.1"`},
	{textOf(netip.MustParseAddr("2001:db8:0:0:1:0:0:1")), `"2001:db8::1:0:0:1"`},
	{textOf(netip.MustParseAddr("::")), `"::"`},
	{textOf(netip.MustParseAddr("::ffff:192.0.2.1")), `"::ffff:192.0.2.1"`},
	{textOf(netip.MustParseAddr("fe80::1%eth0")), `"fe80::1%eth0"`},
	{textOf(netip.MustParseAddr("::ffff:192.0.2.1%eth0")), `"::ffff:192.0.2.1%eth0"`},
	{textOf(netip.AddrPort{}), `"invalid AddrPort"`},
	{textOf(netip.MustParseAddrPort("192.0.2.1:0")), `"192.0.2.1:0"`},
	{textOf(netip.MustParseAddrPort("192.0.2.1:80")), `"192.0.2.1:80"`},
	{textOf(netip.MustParseAddrPort("[::1]:80")), `"[::1]:80"`},
	{textOf(netip.MustParseAddrPort("[::ffff:192.0.2.1]:80")), `"[::ffff:192.0.2.1]:80"`},
	{textOf(netip.MustParseAddrPort("[fe80::1%eth0]:80")), `"[fe80::1%eth0]:80"`},
	{textOf(netip.Prefix{}), `"invalid Prefix"`},
	{textOf(netip.MustParsePrefix("192.0.2.1/24")), `"192.0.2.1/24"`},
	{textOf(netip.MustParsePrefix("2001:db8::/32")), `"2001:db8::/32"`},
	{textOf(netip.MustParsePrefix("::ffff:192.0.2.1/120")), `"::ffff:192.0.2.1/120"`},
	{textOf(hidden{netip.MustParseAddrPort("192.0.2.1:80"), 3}), `{"192.0.2.1:80",3}`},
	{textOf[any](nil), `nil`},
	{textOf[any](1), `.int(1)`},
	{textOf[any]("s"), `.string("s")`},
	{textOf[any](uint8(1)), `.uint8(1)`},
	{textOf[any](0.5), `.float64(0.5)`},
	{textOf[any](true), `.bool(true)`},
	{textOf[any](name("n")), `github.com/perennial-go/perennial/internal/keytext.keytext.name("n")`},
	{textOf[any](time.Minute), `time.time.Duration(60000000000)`},
	{textOf[any](date{1, 2, 3}), `github.com/perennial-go/perennial/internal/keytext.keytext.date({1,2,3})`},
	{textOf[any]([2]int{1, 2}), `.[2]int([1,2])`},
	{textOf[any]([1]any{"x"}), `.[1]interface {}([.string("x")])`},
	{textOf[any](struct{}{}), `.struct {}({})`},
	{textOf[any](struct {
		A int `json:"a"`
		B [1]error
	}{A: 1}), `.struct { A int "json:\"a\""; B [1]error }({1,[nil]})`},
	{textOf[any](boxed[string]{"v"}), `github.com/perennial-go/perennial/internal/keytext.keytext.boxed[string]({"v"})`},
	{textOf[any](boxed[date]{}), `github.com/perennial-go/perennial/internal/keytext.keytext.boxed[github.com/perennial-go/perennial/internal/keytext.date]({{0,0,0}})`},
	{textOf[any](netip.MustParseAddr("::1")), `net/netip.netip.Addr("::1")`},
	{textOf[fmt.Stringer](time.Second), `time.time.Duration(1000000000)`},
	{textOf([2]any{1, "1"}), `[.int(1),.string("1")]`},
}

func textOf[K any](key K) func() (string, error) { return func() (string, error) { return Of(key) } }

func TestTextsOfKeysNeverChange(t *testing.T) {
	for _, g := range golden {
		if text, err := g.text(); text != g.want || err != nil {
			t.Errorf("a key has the text %s, %v, and stores hold %s", text, err, g.want)
		}
	}
}
