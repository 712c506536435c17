package httpmemo

import (
	"net/http"
	"strings"
)

// condition makes a request conditional on the stored response: section 4.3.1.
func condition(h http.Header, old *response) {
	if tag := old.header.Get("Etag"); tag != "" {
		h.Set("If-None-Match", tag)
	}
	if modified := old.header.Get("Last-Modified"); modified != "" {
		h.Set("If-Modified-Since", modified)
	}
}

// confirms tells whether a 304 is about the stored response: section 4.3.4.
func confirms(h http.Header, old *response) bool {
	tag := h.Get("Etag")
	if tag == "" {
		return true
	}
	return strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(old.header.Get("Etag"), "W/")
}

// aboutBody are the headers of a 304 that do not replace the stored ones: what is stored
// is the body as the transport gave it, perhaps decompressed. Section 3.2.
var aboutBody = []string{"Content-Length", "Content-Encoding", "Content-Range", "Content-Type"}

// updated is the header of a stored response after a 304.
func updated(old, h http.Header) http.Header {
	merged := old.Clone()
	news := endToEnd(h)
	for _, name := range aboutBody {
		delete(news, name)
	}
	for name, values := range news {
		merged[name] = values
	}
	return merged
}
