package synced

import (
	"strings"
	"testing"
)

func TestOptionsGoBeforeTheEnvironment(t *testing.T) {
	for name, want := range map[string]struct {
		opts          []OpenOption
		env           map[string]string
		where, prefix string
		fault         string
	}{
		"nothing":             {where: "redis://localhost:6379?layout=value&timeout=500ms", prefix: "memory:"},
		"the environment":     {env: map[string]string{"REDIS_HOST": "h", "REDIS_PORT": "7", "REDIS_PREFIX": "p:"}, where: "redis://h:7?layout=value&timeout=500ms", prefix: "p:"},
		"options":             {opts: []OpenOption{Host("a"), Port(8), Prefix("q:")}, env: map[string]string{"REDIS_HOST": "h", "REDIS_PORT": "7", "REDIS_PREFIX": "p:"}, where: "redis://a:8?layout=value&timeout=500ms", prefix: "q:"},
		"some of both":        {opts: []OpenOption{Host("::1")}, env: map[string]string{"REDIS_PORT": "7"}, where: "redis://[::1]:7?layout=value&timeout=500ms", prefix: "memory:"},
		"a URL":               {opts: []OpenOption{URL("rediss://u:p@h/1?timeout=1s&prefix=r:")}, env: map[string]string{"REDIS_HOST": "x", "REDIS_PREFIX": "p:"}, where: "rediss://u:p@h/1?layout=value&timeout=1s", prefix: "r:"},
		"a URL and a prefix":  {opts: []OpenOption{URL("memory://?prefix=r:"), Prefix("q:")}, where: "memory://?", prefix: "q:"},
		"a URL and a host":    {opts: []OpenOption{URL("redis://h"), Host("h")}, fault: "both"},
		"a URL with serde":    {opts: []OpenOption{URL("redis://h?serde=gob")}, fault: "synced.Codec"},
		"a port that is none": {opts: []OpenOption{Port(70000)}, fault: "70000"},
		"a variable of Kubernetes, which an option spares": {opts: []OpenOption{Port(1)}, env: map[string]string{"REDIS_PORT": "tcp://10.0.0.1:6379"}, where: "redis://localhost:1?layout=value&timeout=500ms", prefix: "memory:"},
		"a variable of Kubernetes":                         {env: map[string]string{"REDIS_PORT": "tcp://10.0.0.1:6379"}, fault: "enableServiceLinks"},
		"a host that injects":                              {opts: []OpenOption{Host("h?prefix=x")}, fault: "no name or address"},
		"a user in the host":                               {env: map[string]string{"REDIS_HOST": "a@b"}, fault: "synced.URL"},
		"a URL as the host":                                {env: map[string]string{"REDIS_HOST": "redis://h"}, fault: "synced.URL"},
	} {
		t.Run(name, func(t *testing.T) {
			var s settings
			for _, o := range want.opts {
				o.set(&s)
			}
			where, prefix, err := s.resolve(func(name string) string { return want.env[name] })
			if want.fault != "" {
				if err == nil || !strings.Contains(err.Error(), want.fault) {
					t.Errorf("the error is %v, want one with %q", err, want.fault)
				}
				return
			}
			if err != nil || where != want.where || prefix != want.prefix {
				t.Errorf("%q, %q, %v; want %q, %q", where, prefix, err, want.where, want.prefix)
			}
		})
	}
}
