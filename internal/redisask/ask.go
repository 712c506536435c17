// Package redisask is how a client of Redis is asked: by all packages that have one,
// each time, so that no answer of a server can do more than fail a call.
package redisask

import (
	"errors"
	"fmt"
)

// ErrAnswer is what an error matches that says that an answer was none of a Redis
// server's.
var ErrAnswer = errors.New("the server's answer is not one of ours: see whether it is a Redis server")

// Do calls what asks a client for something. The client panics on some answers that
// no server gives, as on a push of nothing: that is an error, and what was asked for
// may have been done. So nothing but the client is called by it, and no function of a
// user's.
//
// What a client asks on goroutines of its own, as that of a cluster does, it can't
// keep from panicking: see Guard for that.
func Do(ask func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrAnswer, p)
		}
	}()
	return ask()
}
