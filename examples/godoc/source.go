package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// goTool is the path of the go command: the slow source.
type goTool string

func findGo() (goTool, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("the go command is missing, and it is what prints the documentation: put it in PATH: %w", err)
	}
	return goTool(path), nil
}

// list is the packages of the standard library that anybody may import.
func (t goTool) list(ctx context.Context) ([]string, error) {
	out, err := t.run(ctx, "list", "std")
	if err != nil {
		return nil, err
	}
	hidden := func(pkg string) bool {
		path := strings.Split(pkg, "/")
		return slices.Contains(path, "internal") || slices.Contains(path, "vendor")
	}
	return slices.DeleteFunc(strings.Fields(out), hidden), nil
}

// doc is the documentation of a package. It passes pkg to the go command: only
// what list names may come here.
func (t goTool) doc(ctx context.Context, pkg string) (string, error) {
	return t.run(ctx, "doc", "-all", pkg)
}

func (t goTool) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, string(t), args...)
	cmd.Dir = os.TempDir()      // whatever is wrong with the module here does not matter
	cmd.WaitDelay = time.Second // what it started may hold its output open
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}
