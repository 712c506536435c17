// Godoc serves the documentation of the standard library as web pages. A page is
// what "go doc -all" prints, which takes tens of milliseconds; memoized, it is
// there at once, and no crowd of readers starts more than a few processes.
//
//	go run ./examples/godoc          serve until Ctrl-C
//	go run ./examples/godoc -demo    serve, read a hundred pages as a crowd, compare
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "godoc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, args []string) error {
	flags := flag.NewFlagSet("godoc", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:6060", "address to serve at; port 0 is any free one")
	demo := flags.Bool("demo", false, "drive the server for some seconds, print what that cost, and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tool, err := findGo()
	if err != nil {
		return err
	}
	if *demo {
		return runDemo(ctx, w, tool)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fmt.Errorf("can't serve at %s, give another address, as in -addr 127.0.0.1:0: %w", *addr, err)
	}
	packages, err := tool.list(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s, err := newServer(packages, tool.doc)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(w, "%d packages at http://%v/, counters at http://%[2]v/stats; Ctrl-C ends\n", len(packages), listener.Addr())
	return serve(ctx, listener, s)
}

// serve answers requests until ctx ends, then lets those that run end.
func serve(ctx context.Context, listener net.Listener, s *server) error {
	const grace = 5 * time.Second
	web := &http.Server{Handler: s.handler(), ReadHeaderTimeout: grace}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(err, web.Shutdown(ending), s.pages.Close(ending))
}
