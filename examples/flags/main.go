// Flags is a board of feature flags that processes share over Redis, and that
// goes on answering while Redis is killed and started again.
//
// By itself it starts a redis-server and three processes, and shows what they see:
//
//	go run ./examples/flags
//
// With a server of yours it is one of the processes, and obeys what is typed; open
// several terminals, and stop and start the server:
//
//	go run ./examples/flags -redis localhost:6379 -name ann
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"strconv"
)

func main() {
	redis := flag.String("redis", "", "host:port of a server; without it one is started")
	name := flag.String("name", "ann", "who this process is")
	flag.Parse()
	if err := run(context.Background(), *redis, *name); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, redis, name string) error {
	if redis == "" {
		server, err := startServer()
		if err != nil {
			return err
		}
		defer server.Close()
		return demo(ctx, os.Stdout, server)
	}
	host, text, err := net.SplitHostPort(redis)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	b, err := open(ctx, host, port, name)
	if err != nil {
		return err
	}
	return b.serve(ctx, os.Stdin, os.Stdout)
}
