package httpmemo

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// key tells requests apart. Headers are a hash, so that what they say is in no log and
// keys are small; it is one that nobody can find two texts for.
type key struct {
	method     string
	url        string
	headers    string
	generation uint32
}

// target is the URL that a request is for: without its fragment, with scheme and host in
// lower case and without the port that goes without saying. Nothing else is normalised,
// as only the origin knows what is the same to it.
//
// The host is the one that the origin sees, which may be another than that of the URL.
func target(u *url.URL, host string) string {
	if host == "" {
		host = u.Host
	}
	return origin(u.Scheme, host) + u.RequestURI()
}

// origin is scheme and host of a URL.
func origin(scheme, host string) string {
	scheme, host = strings.ToLower(scheme), strings.ToLower(host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return scheme + "://" + host
}

// digest is a hash of the headers whose names are wanted. Names that are the same
// header, in whatever case, are told apart where they are written differently.
func digest(h http.Header, wanted func(name string) bool) string {
	names := make([]string, 0, len(h))
	for name := range h {
		if wanted(http.CanonicalHeaderKey(name)) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	var text []byte
	add := func(s string) { text = append(binary.AppendUvarint(text, uint64(len(s))), s...) }
	for _, name := range names {
		add(name)
		text = binary.AppendUvarint(text, uint64(len(h[name])))
		for _, value := range h[name] {
			add(value)
		}
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
