package redisstore_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
)

// No script of any store decodes or encodes JSON on the server, which makes of an
// empty array an empty object, and of large numbers others.
func TestScriptsHaveNoJSON(t *testing.T) {
	t.Parallel()
	stores := os.DirFS("..")
	scripts := 0
	err := fs.WalkDir(stores, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(stores, path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "redis.call") {
			return nil
		}
		scripts++
		for _, library := range []string{"cjson", "cmsgpack"} {
			if strings.Contains(string(text), library) {
				t.Errorf("%s: a script uses %s: let the client do it, by look and swap", path, library)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if scripts < 2 {
		t.Errorf("%d files have scripts: is this the folder of the stores?", scripts)
	}
}
