package storage

import (
	"strings"
	"testing"
)

// What is shown of a URL is never what was escaped by mistake with a user and a
// password in it.
func TestEscapedSecretsAreRefused(t *testing.T) {
	for _, text := range []string{
		"redis://user%3As3cr3t%40h/0", "redis://user%3As3cr3t/0", "redis://user%3As3cr3t%40h:6379/0", "redis://s3cr3t%40h/0", "redis://a%2Fs3cr3t/0", "redis://[user:s3cr3t]:6379/0",
		"redis://%5Buser%3As3cr3t%5D:6379/0", "redis://h,user%3As3cr3t%40h/0", "redis://h%2Cuser%3As3cr3t/0", "redis:///user%3As3cr3t%40h", "redis:///user:s3cr3t%40h", "redis+unix:///user%3As3cr3t%40h/0",
	} {
		u, err := parseURL(text)
		if err == nil {
			t.Errorf("%s is read as %s", text, u)
		} else if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"redis://[::1]:6379/0", "redis://[fe80::1%25eth0]:6379", "redis://us%65r", "redis+unix:///run/a%40b", "redis://a:1,b:2/0"} {
		if _, err := parseURL(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
