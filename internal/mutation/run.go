//go:build unix

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// suite is a test binary with what is known of its tests.
type suite struct {
	binary, dir, tmp string
	processes        int
	patience         time.Duration // how long a mutant may take beyond the unmutated tests
	tests            []test        // the quick ones first
}

type test struct {
	name    string
	took    time.Duration
	reaches map[int]bool // numbers of mutants
}

// learn runs every test alone, unmutated, for how long it takes and which mutants
// it reaches. Tests that fail by themselves are left out and returned.
func (s *suite) learn() (failing []string, err error) {
	out, err := output(s.command(exec.Command(s.binary, "-test.list", ".")))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range strings.Fields(string(out)) {
		if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || strings.HasPrefix(name, "Example") {
			names = append(names, name)
		}
	}
	learned := make([]*test, len(names))
	errs := make([]error, len(names))
	s.each(len(names), func(i int) {
		record := filepath.Join(s.tmp, names[i])
		start := time.Now()
		ran := s.run([]string{names[i]}, 5*time.Minute, "PERENNIAL_MUTANTS_REACHED="+record)
		if ran.failed || ran.hung {
			return
		}
		learned[i] = &test{name: names[i], took: time.Since(start)}
		learned[i].reaches, errs[i] = readNumbers(record)
	})
	for i, t := range learned {
		if t == nil {
			failing = append(failing, names[i])
		} else {
			s.tests = append(s.tests, *t)
		}
	}
	slices.SortStableFunc(s.tests, func(a, b test) int { return cmp.Compare(a.took, b.took) })
	return failing, errors.Join(errs...)
}

func readNumbers(path string) (map[int]bool, error) {
	numbers := map[int]bool{}
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return numbers, nil
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		number, err := strconv.Atoi(lines.Text())
		if err != nil {
			return nil, err
		}
		numbers[number] = true
	}
	return numbers, lines.Err()
}

// verdict is what became of a mutant.
type verdict struct {
	killed, hung bool
	by           string // the first test that failed, where one said so
	reached      int    // tests that reach it
}

// try runs the tests that reach a mutant against it: first some quick ones, which
// kill most, then the others.
func (s *suite) try(m *mutant) verdict {
	const quick = 300 * time.Millisecond
	var rounds [2][]string
	var took [2]time.Duration
	for _, t := range s.tests {
		if !t.reaches[m.number] {
			continue
		}
		round := 0
		if took[0] > 0 && took[0]+t.took > quick {
			round = 1
		}
		rounds[round] = append(rounds[round], t.name)
		took[round] += t.took
	}
	v := verdict{reached: len(rounds[0]) + len(rounds[1])}
	for i, names := range rounds {
		if len(names) == 0 {
			continue
		}
		ran := s.run(names, s.patience+5*took[i], "PERENNIAL_MUTANT="+strconv.Itoa(m.number))
		if ran.failed || ran.hung {
			v.killed, v.hung, v.by = true, ran.hung, ran.by
			return v
		}
	}
	return v
}

type ran struct {
	failed, hung bool
	by           string
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|^(panic: .*)|^(goleak: .*)|^(fatal error: .*)`)

// run runs some tests in a process group of their own, which is killed with
// whatever is left of it.
func (s *suite) run(names []string, patience time.Duration, env string) ran {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tmp, err := os.MkdirTemp(s.tmp, "run")
	if err != nil {
		panic(err) // the disk is full
	}
	defer os.RemoveAll(tmp)
	c := s.command(exec.CommandContext(ctx, s.binary, "-test.short", "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$"))
	c.Env = append(os.Environ(), "TMPDIR="+tmp, env)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.Cancel = kill
	c.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	if c.Process == nil {
		panic(err) // the tests can't be run at all
	}
	kill()
	r := ran{failed: err != nil, hung: ctx.Err() != nil}
	if match := failure.FindSubmatch(out.Bytes()); match != nil {
		r.by = short(string(bytes.Join(match[1:], nil)))
	}
	return r
}

func (s *suite) command(c *exec.Cmd) *exec.Cmd {
	c.Dir = s.dir
	return c
}

// each calls f for 0 to n-1, as many at once as there are processes.
func (s *suite) each(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range s.processes {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

func (v verdict) String() string {
	switch {
	case v.hung:
		return "killed: it hangs"
	case v.killed:
		return "killed by " + v.by
	case v.reached == 0:
		return "survived: no test gets there"
	}
	return fmt.Sprintf("survived %d tests", v.reached)
}
