package redisstore

import (
	"context"
	"errors"
	"strings"
	"testing"
)

type serverError string

func (e serverError) Error() string { return string(e) }
func (serverError) RedisError()     {}

func TestErrorsNameTheRemedy(t *testing.T) {
	for text, want := range map[string]string{
		"LOADING Redis is loading the dataset in memory":                                        "redisstore: set: LOADING Redis is loading the dataset in memory: the server is reading its data: it answers once it is done",
		"MOVED 3999 127.0.0.1:6381":                                                             "redis+cluster://",
		"OOM command not allowed when used memory > 'maxmemory'.":                               "maxmemory-policy",
		"MISCONF Redis is configured to save RDB snapshots":                                     "see its log",
		"NOREPLICAS Not enough good replicas to write.":                                         "min-replicas-to-write",
		"BUSY Redis is busy running a script.":                                                  "SCRIPT KILL",
		"MASTERDOWN Link with MASTER is down":                                                   "address of the master",
		"ERR max number of clients reached":                                                     "maxclients",
		"ERR unknown command 'evalsha', with args beginning with: '1234' '1' ":                  "use the layout string",
		"ERR invalid password":                                                                  "the password is wrong",
		"ERR AUTH <password> called without any password configured for the default user.":      "leave it out",
		"ERR Error running script (call to f_1): @user_script:1: WRONGTYPE Operation against a": `set "the key"`,
		"NOPERM this user has no permissions to access one of the keys used as arguments":       `set "the key"`,
		"ERR what nobody has heard of":                                                          `redisstore: set "the key": ERR what nobody has heard of`,
	} {
		err := serverError(text)
		got := explain(context.Background(), "set", "the key", err)
		if !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
			t.Errorf("%q is told as %q, want %q in it", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"redis: connection pool timeout":                          "raise the pool",
		"dial tcp: lookup OOM.example: no such host":              "correct the address",
		"something else that has to do with READONLY connections": "redisstore: set: something else that has to do with READONLY connections",
	} {
		got := explain(context.Background(), "set", "the key", errors.New(text)).Error()
		if !strings.Contains(got, want) || strings.Contains(got, "memory") || strings.Contains(got, "replica") {
			t.Errorf("%q is told as %q, want %q in it", text, got, want)
		}
	}
}

func TestFaultsAreToldOnce(t *testing.T) {
	var f faults
	if f.err() != nil {
		t.Error("nothing is an error")
	}
	one := errors.New("one")
	f.add(one)
	f.add(errors.New("one"))
	if f.err() != one {
		t.Errorf("a fault of two keys is told as %v", f.err())
	}
	f.add(errors.New("two"))
	if got := f.err(); !errors.Is(got, one) || got.Error() != "one\ntwo" {
		t.Errorf("two faults are told as %v", got)
	}
}
