// Package grpcmemo memoizes the unary calls of a gRPC client: an [Interceptor] keeps the
// replies of the methods that it is told, and calls for the same that come together are
// one.
//
//	cache, err := grpcmemo.New(
//		grpcmemo.Method("/prices.v1.Prices/Get", entry.Life{ExpireAfter: time.Minute}),
//		grpcmemo.Metadata("accept-language"))
//	conn, err := grpc.NewClient(target, grpc.WithUnaryInterceptor(cache.Unary), ...)
//
// Nobody gets what was made for another: of a call nothing reaches the server in a load
// but what is in the key, or was declared to make no difference.
//
// The package is a module of its own, so that nobody else requires gRPC.
package grpcmemo
