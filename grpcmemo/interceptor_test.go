package grpcmemo_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/grpcmemo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	check = "/grpc.health.v1.Health/Check"
	list  = "/grpc.health.v1.Health/List"
)

// server is a real server, which counts.
type server struct {
	grpc_health_v1.UnimplementedHealthServer
	answer func(ctx context.Context, service string) error

	mu    sync.Mutex
	calls []metadata.MD
}

func (s *server) Check(ctx context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	s.calls = append(s.calls, md)
	s.mu.Unlock()
	if s.answer != nil {
		if err := s.answer(ctx, req.Service); err != nil {
			return nil, err
		}
	}
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-answer", "1"))
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func (s *server) List(context.Context, *grpc_health_v1.HealthListRequest) (*grpc_health_v1.HealthListResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, nil)
	return &grpc_health_v1.HealthListResponse{}, nil
}

func (s *server) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// dial is a client of the server, with the interceptor.
func dial(t *testing.T, s *server, cache *grpcmemo.Interceptor, opts ...grpc.DialOption) grpc_health_v1.HealthClient {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, s)
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///server", append(opts,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(cache.Unary))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cache.Close(context.Background()); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
		srv.Stop()
		<-served
	})
	return grpc_health_v1.NewHealthClient(conn)
}

func newCache(t *testing.T, options ...grpcmemo.Option) *grpcmemo.Interceptor {
	t.Helper()
	cache, err := grpcmemo.New(append([]grpcmemo.Option{
		grpcmemo.Method(check, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Minute}), grpcmemo.With(config.Logger(nil)),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

func ask(ctx context.Context, client grpc_health_v1.HealthClient, service string, opts ...grpc.CallOption) (*grpc_health_v1.HealthCheckResponse, error) {
	return client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service}, opts...)
}

// Replies are kept for their life, by method, request and the metadata that is chosen;
// each caller has its own.
func TestRepliesAreKept(t *testing.T) {
	s, now := &server{}, clock.NewMock()
	cache := newCache(t, grpcmemo.With(config.Clock(now)), grpcmemo.Metadata("Accept-Language"), grpcmemo.Neutral("x-id"))
	client := dial(t, s, cache, grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	with := func(pairs ...string) context.Context { return metadata.AppendToOutgoingContext(t.Context(), pairs...) }
	for _, c := range []struct {
		name    string
		ctx     context.Context
		service string
		after   time.Duration
		asks    int
	}{
		{"first", t.Context(), "a", 0, 1},
		{"kept", t.Context(), "a", time.Minute - 1, 0},
		{"another request", t.Context(), "b", 0, 1},
		{"chosen metadata", with("accept-language", "de"), "a", 0, 1},
		{"the same", with("accept-language", "de"), "a", 0, 0},
		{"another value", with("accept-language", "de", "accept-language", "en"), "a", 0, 1},
		{"neutral metadata", with("x-id", "1", "traceparent", "t"), "b", 0, 0},
		{"other metadata", with("authorization", "ann"), "b", 0, 1},
		{"each time", with("authorization", "ann"), "b", 0, 1},
		{"expired", t.Context(), "a", 1, 1},
	} {
		now.Add(c.after)
		before := s.asked()
		r, err := ask(c.ctx, client, c.service)
		if err != nil || r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Fatalf("%s: %v, %v", c.name, r, err)
		}
		if got := s.asked() - before; got != c.asks {
			t.Errorf("%s: the server is asked %d times, want %d", c.name, got, c.asks)
		}
		r.Status = grpc_health_v1.HealthCheckResponse_UNKNOWN // which is its caller's own
	}
	if err := cache.Invalidate(check); err != nil {
		t.Error(err)
	}
	before := s.asked()
	_, err := ask(t.Context(), client, "a")
	if err != nil || s.asked() != before+1 {
		t.Error("Invalidate changes nothing")
	}
	if err := cache.InvalidateAll(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := ask(t.Context(), client, "a"); err != nil || s.asked() != before+2 {
		t.Error("InvalidateAll changes nothing")
	}
	if cache.Invalidate(list) == nil {
		t.Error("Invalidate of a method that is not kept is no error")
	}
	if cache.Name() != "grpc" || cache.Stats().Fresh == 0 {
		t.Errorf("%s %+v", cache.Name(), cache.Stats())
	}
}

// What is not named, and calls whose options are their caller's own, pass through.
func TestWhatPassesThrough(t *testing.T) {
	s := &server{}
	client := dial(t, s, newCache(t))
	var header, trailer metadata.MD
	for name, call := range map[string]func() error{
		"another method": func() error { _, err := client.List(t.Context(), &grpc_health_v1.HealthListRequest{}); return err },
		"Header":         func() error { _, err := ask(t.Context(), client, "a", grpc.Header(&header)); return err },
		"Trailer":        func() error { _, err := ask(t.Context(), client, "a", grpc.Trailer(&trailer)); return err },
		"credentials":    func() error { _, err := ask(t.Context(), client, "a", grpc.PerRPCCredentials(user("ann"))); return err },
	} {
		for range 2 {
			before := s.asked()
			if err := call(); err != nil || s.asked() != before+1 {
				t.Errorf("%s: %v, asked %d times", name, err, s.asked()-before)
			}
		}
	}
	if header.Get("x-answer") == nil {
		t.Error("the header is lost")
	}
}

// user is the credentials of one.
type user string

func (u user) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(u)}, nil
}
func (user) RequireTransportSecurity() bool { return false }

// userOf has the credentials of the context's user.
type userOf struct{}

func (userOf) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	u, _ := ctx.Value(userOf{}).(string)
	return map[string]string{"authorization": u}, nil
}
func (userOf) RequireTransportSecurity() bool { return false }

// Connections share nothing, and a load has nothing of its caller but what is in the key
// or neutral.
func TestNothingUnkeyedReachesALoad(t *testing.T) {
	s := &server{}
	cache := newCache(t, grpcmemo.Metadata("accept"))
	ann := dial(t, s, cache, grpc.WithPerRPCCredentials(user("ann")))
	bob := dial(t, s, cache, grpc.WithPerRPCCredentials(user("bob")))
	both := dial(t, s, cache, grpc.WithPerRPCCredentials(userOf{}))
	ctx := context.WithValue(metadata.AppendToOutgoingContext(t.Context(), "accept", "x", "x-request-id", "1"), userOf{}, "carl")
	for i, client := range []grpc_health_v1.HealthClient{ann, bob, both} {
		if _, err := ask(ctx, client, "a"); err != nil {
			t.Fatal(err)
		}
		if s.asked() != i+1 {
			t.Fatalf("connection %d is answered with the reply of another", i)
		}
		got := s.calls[i]
		want := []string{"ann", "bob", ""}[i]
		if strings.Join(got.Get("authorization"), ",") != want || got.Get("accept")[0] != "x" || got.Get("x-request-id")[0] != "1" {
			t.Errorf("connection %d: %v", i, got)
		}
	}
}

// Those who ask together are one call; who leaves has its own status, and spoils nothing.
func TestTogether(t *testing.T) {
	entered, release := make(chan struct{}, 10), make(chan struct{})
	s := &server{answer: func(ctx context.Context, _ string) error {
		entered <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	client := dial(t, s, newCache(t))
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := ask(ctx, client, "a"); left <- err }()
	<-entered
	late, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer stop()
	if _, err := ask(late, client, "a"); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("one whose time is up gets %v", err)
	}
	leave()
	if err := <-left; status.Code(err) != codes.Canceled {
		t.Errorf("who leaves gets %v", err)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if r, err := ask(t.Context(), client, "a"); err != nil || r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
				t.Errorf("%v, %v", r, err)
			}
		})
	}
	close(release)
	wg.Wait()
	if s.asked() != 1 {
		t.Errorf("the server is asked %d times", s.asked())
	}
}

// Errors are the server's, with their details, and are not kept.
func TestErrors(t *testing.T) {
	s := &server{answer: func(context.Context, string) error { return status.Error(codes.NotFound, "no such service") }}
	client := dial(t, s, newCache(t))
	for i := range 2 {
		_, err := ask(t.Context(), client, "a")
		if st, ok := status.FromError(err); !ok || st.Code() != codes.NotFound || st.Message() != "no such service" || s.asked() != i+1 {
			t.Errorf("%v, asked %d times", err, s.asked())
		}
	}
	panics, err := grpcmemo.New(grpcmemo.Method("/a.B/C", entry.Life{ExpireAfter: 1}), grpcmemo.With(config.Logger(nil)))
	if err != nil {
		t.Fatal(err)
	}
	boom := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { panic("boom") }
	var reply grpc_health_v1.HealthCheckResponse
	if err := panics.Unary(t.Context(), "/a.B/C", &grpc_health_v1.HealthCheckRequest{}, &reply, nil, boom); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "boom") {
		t.Error(err)
	}
	passed := false
	pass := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		passed = true
		return nil
	}
	if err := panics.Unary(t.Context(), "/a.B/C", "no message", &reply, nil, pass); err != nil || !passed {
		t.Error("what is no message does not pass")
	}
	if err := panics.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := panics.Unary(t.Context(), "/a.B/C", &grpc_health_v1.HealthCheckRequest{}, &reply, nil, pass); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}

// The caller may change its request at once, although a refresh runs on.
func TestARefreshHasARequestOfItsOwn(t *testing.T) {
	now := clock.NewMock()
	cache, err := grpcmemo.New(grpcmemo.Method(check, entry.Life{UpdateAfter: time.Second, ExpireAfter: time.Minute}), grpcmemo.With(config.Clock(now)))
	if err != nil {
		t.Fatal(err)
	}
	changed, asked := make(chan struct{}, 2), make(chan string, 2)
	invoker := func(_ context.Context, _ string, req, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		<-changed
		asked <- req.(*grpc_health_v1.HealthCheckRequest).Service
		return nil
	}
	req, reply := &grpc_health_v1.HealthCheckRequest{Service: "a"}, new(grpc_health_v1.HealthCheckResponse)
	changed <- struct{}{}
	for range 2 {
		if err := cache.Unary(t.Context(), check, req, reply, nil, invoker); err != nil {
			t.Fatal(err)
		}
		now.Add(2 * time.Second)
	}
	req.Service = "b"
	changed <- struct{}{}
	for range 2 {
		if got := <-asked; got != "a" {
			t.Errorf("the server is asked for %q", got)
		}
	}
	if err := cache.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBadOptions(t *testing.T) {
	life := entry.Life{ExpireAfter: time.Minute}
	method := grpcmemo.Method(check, life)
	for want, options := range map[string][]grpcmemo.Option{
		"no Method is given":                        nil,
		"give it the full name":                     {grpcmemo.Method("Check", life)},
		"grpcmemo: Method is given \"/a/b/c\"":      {grpcmemo.Method("/a/b/c", life)},
		"has no life":                               {grpcmemo.Method(check, entry.Life{})},
		"expire-after is -1":                        {grpcmemo.Method(check, entry.Life{ExpireAfter: -1})},
		"is given twice":                            {method, method},
		"names authorization":                       {method, grpcmemo.Metadata("Authorization")},
		"no key of metadata":                        {method, grpcmemo.Neutral("a b")},
		"both in Metadata and neutral":              {method, grpcmemo.Metadata("traceparent")},
		"MaxBytes is 0":                             {method, grpcmemo.MaxBytes(0)},
		"a zero Option":                             {method, {}},
		"config.Capacity, which is not for a cache": {method, grpcmemo.With(config.Capacity(1))},
		"method": {method, grpcmemo.With(config.MethodTimeout(-1))},
	} {
		if _, err := grpcmemo.New(options...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	_, err := grpcmemo.New(grpcmemo.MaxBytes(0))
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || len(all.Unwrap()) != 2 {
		t.Errorf("not all is reported: %v", err)
	}
}

// BenchmarkHit is a hit, without the client's own code around it.
func BenchmarkHit(b *testing.B) {
	cache, err := grpcmemo.New(grpcmemo.Method(check, entry.Life{ExpireAfter: time.Hour}))
	if err != nil {
		b.Fatal(err)
	}
	invoker := func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		reply.(*grpc_health_v1.HealthCheckResponse).Status = grpc_health_v1.HealthCheckResponse_SERVING
		return nil
	}
	req, reply := &grpc_health_v1.HealthCheckRequest{Service: "a"}, new(grpc_health_v1.HealthCheckResponse)
	b.ReportAllocs()
	for b.Loop() {
		if err := cache.Unary(b.Context(), check, req, reply, nil, invoker); err != nil {
			b.Fatal(err)
		}
	}
}
