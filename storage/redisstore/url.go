package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

func init() {
	storage.Register(open, "redis", "rediss", "redis+unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")
}

const (
	layoutEntry  = "entry"
	layoutString = "string"
	layoutField  = "field"
	layoutValue  = "value"
)

// open is the storage.Driver of this package.
func open(_ context.Context, u *storage.URL) (storage.Bytes, error) {
	layout := u.Choice("layout", layoutEntry, layoutString, layoutField, layoutValue)
	var hash string
	if layout == layoutField {
		if hash = u.Text("hash", ""); hash == "" {
			u.Fault(`layout=field needs the name of the hash: add hash=NAME`)
		}
	}
	o := readOptions(u)
	opts := []Option{MaxValue(o.maxValue)}
	connect := o.single
	kind, secure := strings.CutPrefix(u.Scheme, "rediss")
	if secure {
		o.tls = readTLS(u)
	} else {
		kind = strings.TrimPrefix(u.Scheme, "redis")
	}
	switch kind {
	case "+unix":
		o.readSocket(u)
	case "+cluster":
		o.readCluster(u)
		connect = o.cluster
	case "+sentinel":
		o.readSentinel(u)
		connect = o.sentinel
	default:
		o.readSingle(u)
	}
	if err := u.Check(); err != nil {
		return nil, err
	}
	c := newClient(connect(), layout, opts)
	c.owned = true
	switch layout {
	case layoutString:
		return &Strings{c}, nil
	case layoutField:
		return &Fields{c, hash}, nil
	case layoutValue:
		return newValues(c), nil
	}
	return &Entries{client: c}, nil
}

// options is what a URL says of a client.
type options struct {
	network                        string
	addrs                          []string
	user, password                 string
	db                             int
	timeout                        time.Duration
	pool, retries, maxValue        int
	tls                            *tls.Config
	master                         string
	sentinelUser, sentinelPassword string
}

// mostPool is as many connections as there are ports for them. The client makes room
// for a whole pool at once.
const mostPool = 1 << 16

func readOptions(u *storage.URL) *options {
	if u.User != "" && u.Password == "" {
		u.Fault("a user is given and no password: write redis://user:password@host, or redis://:password@host if it was meant to be the password")
	}
	o := &options{
		network:  "tcp",
		user:     u.User,
		password: u.Password,
		timeout:  u.Duration("timeout", time.Second),
		pool:     u.Int("pool", 0, 1),
		maxValue: u.Int("max-value", defaultMaxValue, 1),
	}
	if o.pool > mostPool {
		u.Fault("parameter pool=%d: give at most %d", o.pool, mostPool)
	}
	return o
}

func (o *options) readSingle(u *storage.URL) {
	o.addrs = addresses(u, "6379")
	if len(o.addrs) > 1 {
		u.Fault("%s is one server, and %d are given: use redis+cluster:// or redis+sentinel://", u.Scheme, len(o.addrs))
	}
	o.db = database(u, strings.TrimPrefix(u.Path, "/"))
	o.retries = u.Int("retries", 1, 0)
}

func (o *options) readSocket(u *storage.URL) {
	o.network, o.addrs = "unix", []string{u.Path}
	if u.Host != "" || u.Path == "" {
		u.Fault("give the path of the socket after three slashes: redis+unix:///run/redis.sock")
	}
	o.db = u.Int("db", 0, 0)
	o.retries = u.Int("retries", 1, 0)
}

func (o *options) readCluster(u *storage.URL) {
	o.addrs = addresses(u, "6379")
	if strings.Trim(u.Path, "/0") != "" {
		u.Fault("a cluster has one database: leave %q out", u.Path)
	}
	o.retries = u.Int("retries", 3, 1) // what goes to another node counts as one
}

func (o *options) readSentinel(u *storage.URL) {
	o.addrs = addresses(u, "26379")
	name, db, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if o.master = name; name == "" {
		u.Fault("give the name of the master after the sentinels: %s://host:26379/NAME/0", u.Scheme)
	}
	o.db = database(u, db)
	o.retries = u.Int("retries", 1, 0)
	o.sentinelUser, o.sentinelPassword = u.Text("sentinel-user", ""), u.Text("sentinel-password", "")
}

// addresses are the hosts of a URL, with a port each.
func addresses(u *storage.URL, port string) []string {
	var addrs []string
	for host := range strings.SplitSeq(cmp.Or(u.Host, "localhost"), ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		if name, _, err := net.SplitHostPort(host); err != nil || name == "" {
			u.Fault("%q is no address: write host:port, several with a comma between", host)
		}
		addrs = append(addrs, host)
	}
	return addrs
}

func database(u *storage.URL, text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		u.Fault("the path is no number of a database: write /0, /1 and so on")
	}
	return n
}

// readTLS is what the rediss schemes know. A server that does not prove who it
// is is never accepted.
func readTLS(u *storage.URL) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Text("tls-name", "")}
	if path := u.Text("tls-ca", ""); path != "" {
		c.RootCAs = x509.NewCertPool()
		if text, err := os.ReadFile(path); err != nil {
			u.Fault("tls-ca: %w", err)
		} else if !c.RootCAs.AppendCertsFromPEM(text) {
			u.Fault("tls-ca: there is no certificate in %s: give a file in the PEM format", path)
		}
	}
	cert, key := u.Text("tls-cert", ""), u.Text("tls-key", "")
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			u.Fault("tls-cert and tls-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// dialer connects, and trusts nobody with memory.
func (o *options) dialer() redisask.Dialer { return Guard(o.dial, o.maxValue) }

// dial connects, under the caller's context with TLS too.
func (o *options) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: o.timeout}
	if o.tls == nil {
		return d.DialContext(ctx, network, addr)
	}
	conn, err := (&tls.Dialer{NetDialer: d, Config: o.tls}).DialContext(ctx, network, addr)
	if err != nil && !speaksTLS(err) {
		return nil, fmt.Errorf("%w: %w", errNoTLS, err)
	}
	return conn, err
}

// errNoTLS is what a server is taken for that has been reached, and has waited, hung up
// or sent something else when TLS was to begin. One of Redis without TLS waits.
var errNoTLS = errors.New("the server does not answer in TLS: see whether it speaks TLS at this port, and use redis:// if it does not")

// speaksTLS reports whether an error may be of a server that speaks TLS, or was not
// reached.
func speaksTLS(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op != "read" // but to dial, or an alert of either side
	}
	var header tls.RecordHeaderError
	var network net.Error
	return !errors.As(err, &header) && !errors.Is(err, io.EOF) && !errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &network) && network.Timeout())
}

// The clients speak RESP2, in which the server sends nothing unasked: for RESP3,
// later versions of go-redis have the server announce its maintenance.
const protocol = 2

func (o *options) single() redis.UniversalClient {
	return hooked(redis.NewClient(later(&redis.Options{
		Network: o.network, Addr: o.addrs[0], DB: o.db, Username: o.user, Password: o.password,
		Dialer: o.dialer(), DialTimeout: o.timeout, ReadTimeout: o.timeout, WriteTimeout: o.timeout, PoolTimeout: o.timeout,
		ContextTimeoutEnabled: true, MaxRetries: o.maxRetries(), PoolSize: o.pool, Protocol: protocol,
	})))
}

// hooked is a client that panics nowhere.
func hooked(rdb *redis.Client) *redis.Client {
	rdb.AddHook(redisask.Hook{})
	return rdb
}

func (o *options) cluster() redis.UniversalClient {
	return redis.NewClusterClient(later(&redis.ClusterOptions{
		Addrs: o.addrs, Username: o.user, Password: o.password,
		Dialer: o.dialer(), DialTimeout: o.timeout, ReadTimeout: o.timeout, WriteTimeout: o.timeout, PoolTimeout: o.timeout,
		ContextTimeoutEnabled: true, MaxRedirects: o.retries, PoolSize: o.pool, Protocol: protocol,
		NewClient: func(opts *redis.Options) *redis.Client { return hooked(redis.NewClient(opts)) },
	}))
}

func (o *options) sentinel() redis.UniversalClient {
	client := hooked(redis.NewFailoverClient(later(&redis.FailoverOptions{
		MasterName: o.master, SentinelAddrs: o.addrs, SentinelUsername: o.sentinelUser, SentinelPassword: o.sentinelPassword,
		DB: o.db, Username: o.user, Password: o.password,
		Dialer: o.dialer(), DialTimeout: o.timeout, ReadTimeout: o.timeout, WriteTimeout: o.timeout, PoolTimeout: o.timeout,
		ContextTimeoutEnabled: true, MaxRetries: o.maxRetries(), PoolSize: o.pool, Protocol: protocol,
	})))
	client.AddHook(dialWithin{make(chan struct{}, client.Options().PoolSize)})
	return client
}

// maxRetries is the retries as go-redis has them: 0 stands for its default.
func (o *options) maxRetries() int {
	if o.retries == 0 {
		return -1
	}
	return o.retries
}

// later sets what later versions of go-redis have made of the options, and the
// version that is required does not know. They dial a server that is away five
// times in one call, 100 ms apart; and they send pipelines, as nearly all is
// sent here, over connections of their own, of which there are ten.
func later[O any](options *O) *O {
	for name, value := range map[string]int64{"DialerRetries": 1, "PipelinePoolSize": -1} {
		if field := reflect.ValueOf(options).Elem().FieldByName(name); field.IsValid() {
			field.SetInt(value)
		}
	}
	return options
}
