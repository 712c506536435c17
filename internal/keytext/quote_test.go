package keytext

import (
	"strconv"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What a toolchain's tables can print and what Unicode will always call a control
// has the form that strconv gives it, everything else is as it is.
func TestEveryCharacterHasOneForm(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		want := `"` + string(r) + `"`
		if strconv.IsPrint(r) || unicode.IsControl(r) {
			want = strconv.Quote(string(r))
		}
		if text, err := Of(string(r)); text != want || err != nil {
			t.Fatalf("%U has the text %s, %v, want %s", r, text, err, want)
		}
	}
	for b := 0x80; b <= 0xff; b++ { // alone it is no UTF-8
		s := string([]byte{'a', byte(b), 'b'})
		if text, _ := Of(s); text != strconv.Quote(s) {
			t.Errorf("%x has the text %s", s, text)
		}
	}
}

// These came to Unicode after the tables of some toolchains in use.
func TestNewCharactersAreAsTheyAre(t *testing.T) {
	for _, s := range []string{"\U0001FAE9", "\U0002EBF0", "\u0897", "\U000E01EF", "\uE000", "\u2028", "\u00a0", "👨\u200d👩\u200d👧"} {
		if text, err := Of(s); text != `"`+s+`"` || err != nil {
			t.Errorf("%+q has the text %s, %v", s, text, err)
		}
	}
}

func FuzzTextIsReadBack(f *testing.F) {
	for _, s := range []string{"", "a", `"\`, "\x00\a\x7f", "\u0085\u009f", "\xff\xed\xa0\x80", "�", "\U0001FAE9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := Of(s)
		if back, unquoted := strconv.Unquote(text); back != s || err != nil || unquoted != nil {
			t.Errorf("%q has the text %s, %v, which is %q, %v", s, text, err, back, unquoted)
		}
	})
}
