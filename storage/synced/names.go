package synced

import (
	"errors"
	"fmt"
	"strings"
)

// MaxName is the longest name of a value or a scope, in bytes.
const MaxName = 1 << 10

// separator ends a scope's name in a key. Within names it is escaped, and so is
// the sign that escapes: no name reaches into a scope, and no two have one key.
//
//	svc:              the prefix of the memory
//	svc:theme         its value theme
//	svc:flags:dark    the value dark of its scope flags
//	svc:flags%3Adark  its value flags:dark
const separator = ":"

var (
	escaper   = strings.NewReplacer("%", "%25", separator, "%3A")
	unescaper = strings.NewReplacer("%25", "%", "%3A", separator)
)

// checkName says what is wrong with the name of a value or a scope.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: that of the %s is empty: any text of 1 to %d bytes will do", ErrName, what, MaxName)
	case len(name) > MaxName:
		return fmt.Errorf("%w: that of the %s has %d bytes and begins with %s: any text of 1 to %d bytes will do", ErrName, what, len(name), shown(name), MaxName)
	}
	return nil
}

// nameIn is the name of a key's value in the scope of a prefix. What is in the
// scopes within has none there, and neither have keys that nobody here makes.
func nameIn(prefix, key string) (name string, ok bool) {
	escaped, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return "", false
	}
	name = unescaper.Replace(escaped)
	return name, escaper.Replace(name) == escaped && checkName("value", name) == nil
}

// shown is a name as errors have it: quoted, and cut where it is long.
func shown(name string) string {
	const most = 64
	if len(name) > most {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(name[:most], ""))
	}
	return fmt.Sprintf("%q", name)
}

// errPrefix is for a memory without a prefix.
var errPrefix = errors.New("synced: the prefix is empty: give one, say svc:, so that others can use the server too")
