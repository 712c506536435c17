// Package servers starts real servers for tests, on free ports of the loopback
// interface, with what they keep in a temporary directory. They end with the
// test. It speaks what it needs of their protocols itself, so that modules of
// their own can use it.
//
// Where a program is not installed the test is skipped, or fails if
// PERENNIAL_NEED_SERVERS is 1.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Server is a server that a test has started. Its methods are those of one
// goroutine; what goes wrong ends the test.
type Server struct {
	t    testing.TB
	kind kind
	path string // of the program
	dir  string
	port int
	args []string

	process *exec.Cmd
	ended   chan struct{} // closed once the process has ended
}

// kind is how a program is started and asked whether it is ready.
type kind struct {
	program, apt string
	args         func(dir string, port int) []string
	ready        func(conn net.Conn) error
}

// patience is how long a server may take for what takes it a moment.
const patience = 20 * time.Second

// start starts a server on a free port, or on another one if somebody takes it
// meanwhile, and waits until it answers.
func start(t testing.TB, k kind, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, kind: k, path: find(t, k), dir: t.TempDir(), args: args}
	t.Cleanup(s.Kill)
	var err error
	for range 5 {
		s.port = freePort(t)
		if err = s.run(); err == nil {
			return s
		}
	}
	t.Fatalf("servers: %v", err)
	return nil
}

func find(t testing.TB, k kind) string {
	t.Helper()
	path, err := exec.LookPath(k.program)
	if err == nil {
		return path
	}
	if os.Getenv("PERENNIAL_NEED_SERVERS") == "1" {
		t.Fatalf("servers: %v: apt-get install -y %s", err, k.apt)
	}
	t.Skipf("servers: %v: apt-get install -y %s", err, k.apt)
	return ""
}

// run starts the process and waits until it answers or has ended.
func (s *Server) run() error {
	output, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	s.process = exec.Command(s.path, append(s.kind.args(s.dir, s.port), s.args...)...)
	s.process.Dir, s.process.Stdout, s.process.Stderr = s.dir, output, output
	endWithTests(s.process)
	if err := s.process.Start(); err != nil {
		return err
	}
	process, ended := s.process, make(chan struct{})
	s.ended = ended
	go func() {
		_ = process.Wait() // it was killed
		close(ended)
	}()
	err = until(func() error {
		select {
		case <-ended:
			return fmt.Errorf("%w: %s", errEnded, s.lastWords())
		default:
			return s.ping()
		}
	})
	if err != nil {
		s.Kill()
		return fmt.Errorf("%s on port %d: %w", s.kind.program, s.port, err)
	}
	return nil
}

var errEnded = errors.New("it has ended")

// ping asks the server whether it is ready.
func (s *Server) ping() error {
	conn, err := dial(s.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	return s.kind.ready(conn)
}

func dial(addr string) (net.Conn, error) {
	const answersIn = 2 * time.Second
	conn, err := net.DialTimeout("tcp", addr, answersIn)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(answersIn))
}

// until tries until it succeeds, the process has ended, or patience does.
func until(try func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil || errors.Is(err, errEnded) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", patience, err)
		}
	}
}

// Addr is host and port.
func (s *Server) Addr() string { return address(s.port) }

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Kill ends the process at once, as a crash does. To kill what does not run is
// nothing.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	if err := s.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("servers: kill of %s: %v", s.kind.program, err)
	}
	<-s.ended
	s.process = nil
}

// Restart kills the process if it runs, and starts it again on the same port
// with the same directory: what it had stored durably is there again.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		s.t.Fatalf("servers: restart: %v", err)
	}
}

// Stop halts the process, which then answers nothing, as a machine that hangs.
// Cont lets it go on.
func (s *Server) Stop() { s.t.Helper(); s.signal(sigStop) }

// Cont ends what Stop began.
func (s *Server) Cont() { s.t.Helper(); s.signal(sigCont) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if sig == 0 {
		s.t.Skip("servers: a process can't be halted on this system")
	}
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatalf("servers: %v to %s: %v", sig, s.kind.program, err)
	}
}

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

// lastWords is the end of what the server has printed.
func (s *Server) lastWords() string {
	const most = 1000
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
