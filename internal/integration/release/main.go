// Release makes a release of all modules of the project.
//
//	go run ./release v0.2.0
//
// in internal/integration has the nested modules require that version of the root, and
// says what is left to do. RELEASING.md has all of it.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/zip"
)

const root = "github.com/perennial-go/perennial"

// nested are the modules with dependencies of their own that are released with the root.
var nested = []string{"grpcmemo", "observe/otelobserve", "observe/promobserve", "storage/boltstore", "storage/memcachedstore"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 || !semver.IsValid(args[0]) || semver.Canonical(args[0]) != args[0] {
		return fmt.Errorf("give it the version, such as v0.2.0, and nothing else: %q", args)
	}
	version := args[0]
	dir, err := repository()
	if err != nil {
		return err
	}
	for _, m := range nested {
		if err := require(filepath.Join(dir, m), version); err != nil {
			return err
		}
	}
	fmt.Printf("The nested modules require %s. Commit, see .ci/run pass, and then:\n\ngit tag %[1]s\n", version)
	for _, m := range nested {
		fmt.Printf("git tag %s/%s\n", m, version)
	}
	fmt.Println("git push --tags")
	return nil
}

// repository is the directory of the root module.
func repository() (string, error) {
	out, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return "", fmt.Errorf("git rev-parse: %w: run it in the repository", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// require has the module in a directory require a version of the root. The replace
// directive stays, for those who work on both; users' builds ignore it.
func require(dir, version string) error {
	cmd := exec.Command("go", "mod", "edit", "-require="+root+"@"+version)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go mod edit in %s: %w: %s", dir, err, out)
	}
	return nil
}

// publish lays all modules out in dir as a module proxy has them, under a version, from
// the files of the repository that git knows.
func publish(repository, version, dir string) error {
	for _, m := range append([]string{""}, nested...) {
		if err := publishModule(repository, m, version, dir); err != nil {
			return fmt.Errorf("module %q: %w", m, err)
		}
	}
	return nil
}

func publishModule(repository, nested, version, dir string) error {
	path := strings.TrimSuffix(root+"/"+nested, "/")
	source, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(source)
	if err := copyTracked(filepath.Join(repository, nested), source); err != nil {
		return err
	}
	if nested != "" {
		if err := require(source, version); err != nil {
			return err
		}
	}
	escaped, err := module.EscapePath(path)
	if err != nil {
		return err
	}
	at := filepath.Join(dir, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"list": version + "\n", version + ".info": fmt.Sprintf("{%q:%q}", "Version", version), version + ".mod": string(mod)} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	archive, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		return err
	}
	if err := zip.CreateFromDir(archive, module.Version{Path: path, Version: version}, source); err != nil {
		_ = archive.Close()
		return err
	}
	return archive.Close()
}

// copyTracked copies what git knows of a directory. A module within it is left out by
// what makes the archive, as it has a go.mod.
func copyTracked(from, to string) error {
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = from
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git ls-files in %s: %w", from, err)
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue // it is deleted, and not committed
		}
		if err != nil {
			return err
		}
		file := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
