package httpmemo

import (
	"net/http"
	"strings"
)

// notModified tells whether a request's condition makes a stored 200 a 304: section
// 13.2.2 of RFC 9110.
func notModified(request, stored http.Header) bool {
	if tags := request.Values("If-None-Match"); len(tags) > 0 {
		return matches(strings.Join(tags, ","), stored.Get("Etag"))
	}
	since, err := http.ParseTime(request.Get("If-Modified-Since"))
	if err != nil {
		return false
	}
	modified, err := http.ParseTime(stored.Get("Last-Modified"))
	return err == nil && !modified.After(since)
}

// matches tells whether a list of entity tags has one, whether weak or not. A tag may
// have a comma in its quotes.
func matches(list, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for {
		list = strings.TrimLeft(list, " \t,")
		if strings.HasPrefix(list, "*") {
			return true
		}
		list = strings.TrimPrefix(list, "W/")
		if !strings.HasPrefix(list, `"`) {
			return false
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if list[:end+2] == tag {
			return true
		}
		list = list[end+2:]
	}
}
