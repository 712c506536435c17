package main

import (
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"time"
)

// ownServer is a redis-server on a free port, with its data in a directory of its
// own.
type ownServer struct {
	path, dir, host, port string
	process               *exec.Cmd
}

func startServer() (*ownServer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: install it, or give the address of a server with -redis", err)
	}
	free, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &ownServer{path: path}
	if s.host, s.port, err = net.SplitHostPort(free.Addr().String()); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "flags"); err != nil {
		return nil, err
	}
	if err := errors.Join(free.Close(), s.start()); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// freePort listens on a port below those that systems give to connections: none of them
// gets it while the server is down.
func freePort() (l net.Listener, err error) {
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(20_000))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// start starts it and waits until it listens.
func (s *ownServer) start() error {
	s.process = exec.Command(s.path, "--bind", s.host, "--port", s.port, "--dir", s.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	if err := s.process.Start(); err != nil {
		return err
	}
	for range 100 {
		conn, err := net.Dial("tcp", s.Addr())
		if err == nil {
			return conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not listen at %s", s.path, s.Addr())
}

func (s *ownServer) Addr() string { return net.JoinHostPort(s.host, s.port) }

func (s *ownServer) Kill() {
	_ = s.process.Process.Kill() // it has ended if that fails
	_ = s.process.Wait()         // it was killed
}

func (s *ownServer) Restart() {
	if err := s.start(); err != nil {
		log.Fatal(err)
	}
}

// Close ends it and deletes what it had.
func (s *ownServer) Close() {
	if s.process != nil {
		s.Kill()
	}
	_ = os.RemoveAll(s.dir) // it is temporary
}
