package keytext

import "unicode/utf8"

// appendQuoted adds a text between double quotes. Backslash and double quote stand
// after a backslash. Control characters are escaped as in Go: \a \b \f \n \r \t \v,
// else \x00 to \x1f, \x7f, \u0080 to \u009f. So is every byte that is not part of
// UTF-8: \xff. All others stand as they are.
//
// The rule must never change, for stores hold such texts. It asks no table of
// Unicode, as strconv.Quote does: which characters there are and can be printed
// changes from one version of Go to the next.
func appendQuoted(to []byte, s string) []byte {
	to = append(to, '"')
	plain := 0 // where what can be copied begins
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		foreign := r == utf8.RuneError && size == 1
		if foreign || r == '"' || r == '\\' || r < ' ' || 0x7f <= r && r <= 0x9f {
			to = append(to, s[plain:i]...)
			if foreign {
				to = appendHex(to, `\x`, s[i])
			} else {
				to = appendEscaped(to, byte(r))
			}
			plain = i + size
		}
		i += size
	}
	return append(append(to, s[plain:]...), '"')
}

func appendEscaped(to []byte, c byte) []byte {
	const short = "abtnvfr" // from 7 on
	switch {
	case c == '"' || c == '\\':
		return append(to, '\\', c)
	case '\a' <= c && c <= '\r':
		return append(to, '\\', short[c-'\a'])
	case c >= 0x80:
		return appendHex(to, `\u00`, c)
	}
	return appendHex(to, `\x`, c)
}

func appendHex(to []byte, escape string, c byte) []byte {
	const digits = "0123456789abcdef"
	return append(append(to, escape...), digits[c>>4], digits[c&15])
}
