package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// server is a Redis server that ends and comes back with what it had.
type server interface {
	Addr() string
	Kill()
	Restart()
}

// demo has three processes share a board over a server that is killed and started
// again.
func demo(ctx context.Context, w io.Writer, s server) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends processes that an error has left
	members := map[string]*member{}
	for _, name := range []string{"ann", "bob", "cid"} {
		if members[name], err = startMember(ctx, s.Addr(), name); err != nil {
			return err
		}
	}
	for line := range strings.Lines(script) {
		switch line = strings.TrimSpace(line); line {
		case "# the server is killed":
			s.Kill()
			fmt.Fprintln(w, line)
		case "# the server is started again":
			s.Restart()
			fmt.Fprintln(w, line)
		default:
			name, command, _ := strings.Cut(line, ": ")
			answer, err := members[name].ask(command)
			if err != nil {
				return fmt.Errorf("%s: %w", line, err)
			}
			fmt.Fprintf(w, "%-20s %s\n", line, answer)
		}
	}
	for _, m := range members {
		err = errors.Join(err, m.end())
	}
	return err
}

const script = `ann: on dark-mode
bob: on beta
cid: on old-search
ann: show
bob: show
cid: show
# the server is killed
cid: show
ann: on new-search
bob: flip beta
cid: off old-search
cid: flip beta
ann: show
bob: show
cid: show
# the server is started again
ann: flush
bob: flush
cid: flush
ann: show
bob: show
cid: show
ann: log`

// member is another process that has the board.
type member struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

// startMember starts this program again.
func startMember(ctx context.Context, addr, name string) (*member, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &member{process: exec.CommandContext(ctx, path, "-redis", addr, "-name", name)}
	m.process.Stderr = os.Stderr
	if m.in, err = m.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := m.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.out = bufio.NewScanner(out)
	if err := m.process.Start(); err != nil {
		return nil, err
	}
	_, err = m.answer() // what it can do
	return m, err
}

func (m *member) ask(command string) (string, error) {
	if _, err := fmt.Fprintln(m.in, command); err != nil {
		return "", err
	}
	return m.answer()
}

func (m *member) answer() (string, error) {
	if !m.out.Scan() {
		return "", errors.Join(errors.New("the process has ended"), m.out.Err())
	}
	return m.out.Text(), nil
}

func (m *member) end() error { return errors.Join(m.in.Close(), m.process.Wait()) }
