package grpcmemo_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/grpcmemo"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
)

// Callers have the code that clients of gRPC know, and find the error of the guard.
func TestRefusedByAGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := guard.New("server", guard.Fixed(1), guard.Logger(nil))
		if err != nil {
			t.Fatal(err)
		}
		cache := newCache(t, grpcmemo.With(config.Guard(g), config.MethodTimeout(time.Minute)))
		slow := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			time.Sleep(30 * time.Second)
			return nil
		}
		call := func(service string) error {
			return cache.Unary(t.Context(), check, &grpc_health_v1.HealthCheckRequest{Service: service}, new(grpc_health_v1.HealthCheckResponse), nil, slow)
		}
		first := make(chan error)
		go func() { first <- call("a") }()
		synctest.Wait()
		err = call("b")
		var refused *guard.OverloadedError
		if status.Code(err) != codes.Unavailable || !errors.Is(err, memoize.ErrOverloaded) || !errors.As(err, &refused) || refused.RetryAfter <= 0 {
			t.Errorf("%v, with the code %v", err, status.Code(err))
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := cache.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
