package storage

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// URL tells a Driver where a store is and how it is used. Its methods read the parameters.
// Check reports those that are malformed or that nobody has read.
type URL struct {
	// Scheme, Host and Path are those of the URL; Host may name several,
	// separated by commas. User and Password are decoded.
	Scheme, Host, Path, User, Password string

	query url.Values
	known map[string]bool
	errs  []error
}

// parseURL reads the text of a URL. Its errors never hold a password, nor what
// may be one in a URL that is malformed: so they quote nothing before the last @.
func parseURL(text string) (*URL, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !isScheme(scheme) {
		return nil, fmt.Errorf("storage: the URL has no scheme: write it as redis://host:6379/0, one of %s", knownSchemes())
	}
	u := &URL{Scheme: strings.ToLower(scheme), known: map[string]bool{}}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, slash := strings.Cut(rest, "/")
	if strings.Contains(path, "@") || strings.Contains(query, "@") {
		return nil, fmt.Errorf("storage: the %s URL has an @ behind its host: escape it as %%40, and in a password / and ? as %%2F and %%3F", u.Scheme)
	}
	if err := u.readAuthority(authority); err != nil {
		return nil, err
	}
	var err error
	if slash {
		if u.Path, err = url.PathUnescape("/" + path); err != nil {
			return nil, u.unescaped("path")
		}
		if before, _, at := strings.Cut(u.Path, "@"); at && strings.Contains(before, ":") {
			return nil, fmt.Errorf("storage: the path of the %s URL has what may be a password in it: write user:password@ before the host, with / and ? as %%2F and %%3F", u.Scheme)
		}
	}
	if u.query, err = url.ParseQuery(query); err != nil {
		return nil, fmt.Errorf("storage: the parameters of the %s URL can't be read: %w", u.Scheme, err)
	}
	for _, name := range slices.Sorted(maps.Keys(u.query)) {
		if n := len(u.query[name]); n > 1 {
			u.Fault("parameter %q is given %d times: give it once", name, n)
		}
	}
	return u, nil
}

// readAuthority reads user:password@hosts.
func (u *URL) readAuthority(text string) (err error) {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		user, password, _ := strings.Cut(text[:at], ":")
		text = text[at+1:]
		if u.User, err = url.PathUnescape(user); err != nil {
			return u.unescaped("user")
		}
		if u.Password, err = url.PathUnescape(password); err != nil {
			return u.unescaped("password")
		}
	}
	if !hasPorts(text) { // what is no port may be a password that lacks its @
		return fmt.Errorf("storage: the port in the %s URL is no number: write host:6379, or user:password@host:6379, and escape other colons as %%3A", u.Scheme)
	}
	host, err := url.PathUnescape(text)
	if err != nil {
		return u.unescaped("host")
	}
	for each := range strings.SplitSeq(host, ",") {
		if inside, _, ok := strings.Cut(strings.TrimPrefix(each, "["), "]"); ok {
			if _, err := netip.ParseAddr(inside); err != nil {
				return fmt.Errorf("storage: what is in brackets in the %s URL is no address of IPv6: write [::1]:6379", u.Scheme)
			}
		}
	}
	// What was escaped may be a user and a password, which nothing is to print.
	if strings.Contains(host, "@") || host != text && (strings.ContainsAny(host, "/?#") || !hasPorts(host)) {
		return fmt.Errorf("storage: the host in the %s URL has an escaped @, colon or slash in it: write user:password@host:6379, where that is known, and escape only what is in the user and the password; and a file so named as ./file", u.Scheme)
	}
	u.Host = host
	return nil
}

// unescaped is the error of a part that can't be unescaped. The one of package
// url would quote what is there.
func (u *URL) unescaped(part string) error {
	return fmt.Errorf("storage: the %s in the %s URL can't be read: escape %% as %%25", part, u.Scheme)
}

// isScheme reports whether a text is a scheme, by RFC 3986, section 3.1.
func isScheme(text string) bool {
	for i, r := range text {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	return text != ""
}

// hasPorts reports whether what follows the colons of hosts are numbers.
func hasPorts(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		host = host[strings.LastIndexByte(host, ']')+1:] // behind an address of IPv6
		if _, port, _ := strings.Cut(host, ":"); strings.Trim(port, "0123456789") != "" {
			return false
		}
	}
	return true
}

// Text returns a parameter, or def if it is not given.
func (u *URL) Text(name, def string) string {
	u.known[name] = true
	if values, ok := u.query[name]; ok {
		return values[0]
	}
	return def
}

// Int returns a parameter that is a whole number of at least least, or def if it is not
// given.
func (u *URL) Int(name string, def, least int) int {
	text := u.Text(name, "")
	if text == "" && !u.query.Has(name) {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		u.Fault("parameter %s=%q: give a whole number of at least %d", name, text, least)
		return def
	}
	return n
}

// Duration returns a parameter such as 50ms, above zero, or def if it is not given.
func (u *URL) Duration(name string, def time.Duration) time.Duration {
	text := u.Text(name, "")
	if text == "" && !u.query.Has(name) {
		return def
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		u.Fault("parameter %s=%q: give a duration above zero, such as 50ms", name, text)
		return def
	}
	return d
}

// Bool returns a parameter that is true or false, or def if it is not given.
func (u *URL) Bool(name string, def bool) bool {
	text := u.Text(name, "")
	if text == "" && !u.query.Has(name) {
		return def
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		u.Fault("parameter %s=%q: give true or false", name, text)
		return def
	}
	return b
}

// Choice returns a parameter that is one of the given texts, or the first of them if it is
// not given.
func (u *URL) Choice(name string, texts ...string) string {
	text := u.Text(name, texts[0])
	if !slices.Contains(texts, text) {
		u.Fault("parameter %s=%q: give one of %s", name, text, strings.Join(texts, ", "))
		return texts[0]
	}
	return text
}

// Fault adds an error for Check to return.
func (u *URL) Fault(format string, args ...any) {
	u.errs = append(u.errs, fmt.Errorf(format, args...))
}

// Check returns all errors: of parameters that are malformed, given twice, or unknown
// because nobody has read them so far. A Driver calls it before it connects.
func (u *URL) Check() error {
	errs := slices.Clone(u.errs)
	for _, name := range slices.Sorted(maps.Keys(u.query)) {
		if !u.known[name] {
			errs = append(errs, fmt.Errorf("parameter %q is unknown: those known are %s", name, strings.Join(slices.Sorted(maps.Keys(u.known)), ", ")))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("storage: %s: %w", u, err)
	}
	return nil
}

// String returns the URL without user, password and parameters, fit for logs: characters
// that can't be printed are escaped.
func (u *URL) String() string {
	text := strconv.Quote(u.Scheme + "://" + u.Host + u.Path)
	return text[1 : len(text)-1]
}
