package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `# least
user 42
# drop-in
user 7
# how fresh
user 42
# no argument
s3cret
# several arguments
402
# no key
[about query slow] miss
[about query slow] hit
# pooled argument
[about first]
[about second]
# package level
1.25
# many keys
item 1; ["item 3" "item 1" "item 2"]; 2 runs of the source
# tenants
last order of acme
last order of initech
last order of acme
nobody's: memoize: the argument gives no usable key: config: no scope for this call: the request names no tenant
# tenants and settings
acme's: false initech's: true
# object
user 42
user 42
# verbs
Refresh user 42
Peek set by hand true
Touch true
Has false
Direct user 43
CallMany user 41 user 42 user 43
Key users:0:42
Len 3
Len 0
Stats 4 loads
# why
user 42 0s fresh miss
user 42 0s fresh hit
# by hand
refreshes: 1
# handles
users 0
prices 1
`
	if got := out.String(); got != want {
		t.Errorf("run printed\n%s\nwant\n%s", got, want)
	}
}
