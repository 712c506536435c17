package tree_test

import (
	"testing"
	"time"
)

// What deletes, or has something end, works on a server whose memory is full.
func TestEndsOnAFullServer(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	set(t, tr, "x", object{"a": 1, "b": 2, "c": 3})
	s.Command("CONFIG", "SET", "maxmemory", "1")
	noError(t, last(tr.Expire(t.Context(), at("x.a"), time.Hour)))
	noError(t, last(tr.Delete(t.Context(), at("x.b"))))
	isLeft(t, tr, "x.a", time.Hour)
	holds(t, tr, "x", object{"a": int64(1), "c": int64(3)})
}
