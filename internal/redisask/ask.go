// Package redisask is what the packages over Redis share: calls of a client in which no
// answer of a server can do more than fail the call, subscriptions that notice a dead
// connection, and errors with what to do about them.
package redisask

import (
	"errors"
	"fmt"
)

// ErrAnswer marks the error of an answer that no Redis server gives.
var ErrAnswer = errors.New("the server's answer is not one of ours: see whether it is a Redis server")

// Do calls ask, which calls a client, and returns an error if the client panics, as it does
// on some answers that no server gives. The command may have been done then. So ask calls
// nothing but the client, and no function of a user's.
//
// Do can't recover on goroutines of a client's own, as a cluster client has: see Guard.
func Do(ask func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrAnswer, p)
		}
	}()
	return ask()
}
