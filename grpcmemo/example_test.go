package grpcmemo_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/grpcmemo"
)

// A client that keeps the replies of one method for a minute.
func ExampleNew() {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(lis) }()
	defer server.Stop()

	// region new
	cache, err := grpcmemo.New(
		grpcmemo.Method("/grpc.health.v1.Health/Check", entry.Life{ExpireAfter: time.Minute}),
		grpcmemo.Metadata("accept-language"))
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := grpc.NewClient(lis.Addr().String(),
		grpc.WithUnaryInterceptor(cache.Unary),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	// endregion
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	client := grpc_health_v1.NewHealthClient(conn)
	for range 3 {
		reply, err := client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
		fmt.Println(reply.GetStatus(), err)
	}
	fmt.Println("asked", cache.Stats().Loads, "time")
	// Output:
	// SERVING <nil>
	// SERVING <nil>
	// SERVING <nil>
	// asked 1 time
}
