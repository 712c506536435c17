package redisask

import (
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
)

type said string

func (s said) Error() string { return string(s) }
func (said) RedisError()     {}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"ERR unknown command 'EVALSHA', with args beginning with: 'sha' '1' 'users:42' ": "ERR unknown command 'EVALSHA', with arguments",
		"ERR unknown command `FOO`, with args beginning with: `users:42`, ":              "ERR unknown command `FOO`, with arguments",
		"ERR unknown command 'users:42'":                                                 "ERR unknown command …",
		"NOPERM User default has no permissions to access the 'users:42' key":            "NOPERM User default has no permissions to access the …",
		"NOPERM User default has no permissions to run the 'set' command":                "NOPERM User default has no permissions to run the 'set' command",
		"ERR no 'users:42":         "ERR no …",
		"ERR users:42 is no key":   "ERR …",
		"ERR the users:421 is one": "ERR the users:421 is one",
		"WRONGTYPE Operation against a key holding the wrong kind of value": "WRONGTYPE Operation against a key holding the wrong kind of value",
	} {
		err := Plain(fmt.Errorf("%w", said(text)), "users:42")
		var server redis.Error
		if err.Error() != want || !errors.As(err, &server) {
			t.Errorf("%s becomes %#v, want %s", text, err, want)
		}
	}
	if err := Plain(errors.New(`redis: can't parse int reply: "$users:42"`), "a"); err.Error() != "redis: can…" {
		t.Error(err)
	}
	for _, err := range []error{redis.Nil, redis.ErrClosed, errors.New(`dial "x"`)} {
		if Plain(err, "a") != err {
			t.Error(err)
		}
	}
}
