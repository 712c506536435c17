package grpcmemo

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
)

// Interceptor keeps replies to unary calls: see New. Its methods may be called
// concurrently.
type Interceptor struct {
	settings
	memo        *memoize.Func[*call, reply]
	generations map[string]*atomic.Uint32 // of each method, counted by Invalidate
	conns       sync.Map                  // weak.Pointer[grpc.ClientConn] to its number
	lastConn    atomic.Uint64
}

// New makes an Interceptor for the methods that Method names; the other methods pass
// through. It may serve several connections, which share nothing. Everything that is
// wrong with the options is reported at once.
func New(options ...Option) (*Interceptor, error) {
	s, err := settingsOf(options)
	if err != nil {
		return nil, err
	}
	i := &Interceptor{settings: s, generations: map[string]*atomic.Uint32{}}
	for method := range s.methods {
		i.generations[method] = new(atomic.Uint32)
	}
	memo := append([]config.Option{config.Name("grpc"), config.ContextValues(config.NoValues)}, s.memo...)
	memo = append(memo, config.PlainErrors(), config.Capacity(s.maxBytes), config.Weigh(weigh),
		config.Builder(entry.LifeOf[key](func(r reply) entry.Life { return r.life })))
	if i.memo, err = memoize.NewKeyed(load, func(c *call) key { return c.key }, memo...); err != nil {
		return nil, err
	}
	return i, nil
}

// Unary is a grpc.UnaryClientInterceptor: give it to grpc.WithUnaryInterceptor, or to
// grpc.WithChainUnaryInterceptor after those that add metadata. A load runs the
// interceptors that come after it.
//
// A call is answered from the cache, or by a load that all share who ask for the same
// meanwhile, if its method is named by Method, its metadata by Metadata or Neutral, and
// its options say nothing of who is asking and want nothing of the connection: others,
// such as grpc.Header, grpc.Trailer, grpc.Peer and grpc.PerRPCCredentials, have it pass
// through. Each caller has a reply of its own.
//
// Errors are those of the server, and are not kept; a caller whose context ends leaves
// with its status, and the load goes on for the others, under the method timeout and not
// under the deadline of the caller who led to it. A load that takes longer than that is
// DEADLINE_EXCEEDED, and one that a guard refuses UNAVAILABLE: errors.As finds the
// *guard.OverloadedError, which says when to come again.
func (i *Interceptor) Unary(ctx context.Context, method string, req, to any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c, into := i.call(ctx, method, req, to, cc, invoker, opts)
	if c == nil {
		return invoker(ctx, method, req, to, cc, opts...)
	}
	r, err := i.memo.Call(ctx, c)
	if err != nil {
		return statusOf(err)
	}
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal([]byte(r.message), into); err != nil {
		return status.Errorf(codes.Internal, "grpcmemo: a reply that is kept can't be read: %v", err)
	}
	return nil
}

// call is the call of one caller: the argument of the memoized function. A load may
// outlast it, so it has copies of what belongs to the caller.
type call struct {
	key     key
	life    entry.Life
	message []byte
	request protoreflect.MessageType
	reply   protoreflect.MessageType
	sent    metadata.MD
	cc      *grpc.ClientConn
	invoker grpc.UnaryInvoker
	opts    []grpc.CallOption
}

// call is what a call is to the memoized function, or nil if it passes through.
func (i *Interceptor) call(ctx context.Context, method string, req, to any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts []grpc.CallOption) (*call, proto.Message) {
	life, ok := i.methods[method]
	request, isMessage := req.(proto.Message)
	into, isReply := to.(proto.Message)
	if !ok || !isMessage || !isReply || !common(opts) {
		return nil, nil
	}
	md, _ := metadata.FromOutgoingContext(ctx) // a copy
	keyed, sent, ok := i.split(md)
	if !ok {
		return nil, nil
	}
	message, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return nil, nil // gRPC says so itself
	}
	return &call{
		key: key{
			connection: i.number(cc), method: method, reply: string(into.ProtoReflect().Descriptor().FullName()),
			generation: i.generations[method].Load(), request: digest(message), metadata: digestOf(keyed),
		},
		life: life, message: message, sent: sent, cc: cc, invoker: invoker, opts: opts,
		request: request.ProtoReflect().Type(), reply: into.ProtoReflect().Type(),
	}, into
}

// common tells whether the options of a call are such that others may have its reply.
func common(opts []grpc.CallOption) bool {
	for _, o := range opts {
		switch o.(type) {
		case grpc.StaticMethodCallOption, grpc.FailFastCallOption, grpc.MaxRecvMsgSizeCallOption, grpc.MaxSendMsgSizeCallOption,
			grpc.MaxRetryRPCBufferSizeCallOption, grpc.CompressorCallOption, grpc.EmptyCallOption:
		default:
			return false
		}
	}
	return true
}

// number tells connections apart: two to one target may have the credentials of two
// users.
func (i *Interceptor) number(cc *grpc.ClientConn) uint64 {
	at := weak.Make(cc)
	if n, ok := i.conns.Load(at); ok {
		return n.(uint64)
	}
	n, loaded := i.conns.LoadOrStore(at, i.lastConn.Add(1))
	if !loaded && cc != nil {
		runtime.AddCleanup(cc, func(at weak.Pointer[grpc.ClientConn]) { i.conns.Delete(at) }, at)
	}
	return n.(uint64)
}

// reply is what is kept: the bytes of a message, which nobody can change.
type reply struct {
	message string
	life    entry.Life
}

// overhead is about what an entry takes besides its reply.
const overhead = 400

func weigh(_ key, r reply) int { return overhead + len(r.message) }

// load asks the server: it is the source of the memoized function. Of the caller's
// metadata it sends what is in the key, or neutral.
func load(ctx context.Context, c *call) (reply, error) {
	request, answer := c.request.New().Interface(), c.reply.New().Interface()
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(c.message, request); err != nil {
		return reply{}, status.Errorf(codes.Internal, "grpcmemo: the request can't be copied: %v", err)
	}
	ctx = metadata.NewOutgoingContext(ctx, c.sent.Copy())
	if err := c.invoker(ctx, c.key.method, request, answer, c.cc, c.opts...); err != nil {
		return reply{}, err
	}
	message, err := proto.MarshalOptions{AllowPartial: true}.Marshal(answer)
	if err != nil {
		return reply{}, status.Errorf(codes.Internal, "grpcmemo: the reply can't be kept: %v", err)
	}
	return reply{string(message), c.life}, nil
}

// statusOf is an error as callers of gRPC expect it.
func statusOf(err error) error {
	switch _, ok := status.FromError(err); {
	case ok:
		return err
	case errors.Is(err, memoize.ErrLoadTimeout):
		return &coded{err, codes.DeadlineExceeded}
	case errors.Is(err, memoize.ErrRunaway), errors.Is(err, memoize.ErrClosed), errors.Is(err, memoize.ErrOverloaded):
		return &coded{err, codes.Unavailable}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	return &coded{err, codes.Internal}
}

// coded is an error of the cache with the code that callers of gRPC ask for. errors.Is and
// errors.As see the error itself.
type coded struct {
	error
	code codes.Code
}

func (e *coded) Unwrap() error              { return e.error }
func (e *coded) GRPCStatus() *status.Status { return status.New(e.code, e.Error()) }

// Invalidate forgets the replies of a method: calls that come after it has returned get
// none whose load began before. Calls that wait get theirs. The error is about a method
// that Method does not name.
func (i *Interceptor) Invalidate(method string) error {
	g, ok := i.generations[method]
	if !ok {
		return fmt.Errorf("grpcmemo: %s is no method whose replies are kept: name it with Method", method)
	}
	g.Add(1)
	return nil
}

// Name is the cache's name in events and logs, by default "grpc".
func (i *Interceptor) Name() string { return i.memo.Name() }

// Stats counts what happened so far. Calls that pass through are not counted.
func (i *Interceptor) Stats() memoize.Stats { return i.memo.Stats() }

// InvalidateAll forgets all replies, as Invalidate does those of one method.
func (i *Interceptor) InvalidateAll(ctx context.Context) error { return i.memo.InvalidateAll(ctx) }

// Close makes calls that do not pass through fail with UNAVAILABLE from now on, and waits
// for the loads under way until its context ends. Connections stay open.
func (i *Interceptor) Close(ctx context.Context) error { return i.memo.Close(ctx) }
