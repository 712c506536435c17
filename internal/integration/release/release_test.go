package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/internal/checks"
)

// program is one of a user's, with the root and the modules beside it.
const program = `package main

import (
	"context"
	"fmt"
	"path/filepath"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe/otelobserve"
	"github.com/perennial-go/perennial/observe/promobserve"
	"github.com/perennial-go/perennial/storage"
	_ "github.com/perennial-go/perennial/storage/boltstore"
	_ "github.com/perennial-go/perennial/storage/memcachedstore"
)

func main() {
	ctx := context.Background()
	store, err := storage.Open(ctx, "bolt://"+filepath.Join(os.Args[1], "store.db"))
	if err != nil {
		panic(err)
	}
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	f := memoize.Must(memoize.New(double, config.Name("double"), config.Store(store)))
	n, err := f.Call(ctx, 21)
	metrics := make(chan prometheus.Metric, 1000)
	promobserve.Collector(f).Collect(metrics)
	_, notRegistered := otelobserve.Register(nil, f)
	fmt.Println(n, err, f.Len() != 0, store.Close(), len(metrics) > 30, notRegistered)
}
`

// A module outside of the repository is built and run against a release, as its users
// get it: nested modules that require the root by a replace directive alone, which they
// ignore, would not build.
func TestARelease(t *testing.T) {
	if testing.Short() || checks.Race {
		t.Skip("it builds a program with a module cache of its own, and the race detector has nothing to see in it")
	}
	dir, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	const version = "v0.0.1-release"
	proxy, user, modules := t.TempDir(), t.TempDir(), t.TempDir() // a cache of its own, for what is published is nobody else's
	if err := publish(dir, version, proxy); err != nil {
		t.Fatal(err)
	}
	env, err := exec.Command("go", "env", "GOPROXY", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	others, cache, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	proxies := []string{file(proxy), file(filepath.Join(cache, "cache", "download")), others}
	in := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = user
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod -modcacherw", "GONOSUMDB=*", "GOPRIVATE=", "GONOPROXY=",
			"GOPROXY="+strings.Join(proxies, ","), "GOMODCACHE="+modules)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if err := os.WriteFile(filepath.Join(user, "main.go"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	in("mod", "init", "example.org/user")
	requires := []string{"get", root + "@" + version}
	for _, m := range nested {
		requires = append(requires, root+"/"+m+"@"+version)
	}
	in(requires...)
	if said := in("run", ".", t.TempDir()); strings.TrimSpace(said) != "42 <nil> true <nil> true <nil>" {
		t.Errorf("the program prints %q", said)
	}
}

// file is the URL of a module proxy that is a directory.
func file(dir string) string { return (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String() }

// What is no version is refused, and nothing changed.
func TestVersions(t *testing.T) {
	for _, args := range [][]string{nil, {"0.2.0"}, {"v0.2"}, {"v0.2.0", "v0.3.0"}, {"next"}} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), "give it the version") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
