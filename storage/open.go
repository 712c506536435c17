package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Driver opens the store that a URL names. It reads the parameters that it knows, calls
// u.Check, and connects only then. Store.Close closes the result if it is an io.Closer.
// Its errors must not contain u.Password.
type Driver func(ctx context.Context, u *URL) (Bytes, error)

var drivers struct {
	sync.Mutex
	byScheme map[string]Driver
}

// elsewhere has the packages of drivers that a program must import.
var elsewhere = map[string]string{
	"redis": redisPackage, "rediss": redisPackage, "redis+unix": redisPackage,
	"redis+cluster": redisPackage, "rediss+cluster": redisPackage,
	"redis+sentinel": redisPackage, "rediss+sentinel": redisPackage,
	"memcached": "github.com/perennial-go/perennial/storage/memcachedstore",
	"bolt":      "github.com/perennial-go/perennial/storage/boltstore",
}

const redisPackage = "github.com/perennial-go/perennial/storage/redisstore"

// Register makes a driver available to Open under the given schemes. Call it from a
// driver's init. A scheme that is taken panics, as in database/sql.
func Register(d Driver, schemes ...string) {
	if d == nil {
		panic("storage: Register is given a nil Driver")
	}
	drivers.Lock()
	defer drivers.Unlock()
	for _, scheme := range schemes {
		if drivers.byScheme[scheme] != nil {
			panic(fmt.Sprintf("storage: Register is called twice for scheme %q", scheme))
		}
		if drivers.byScheme == nil {
			drivers.byScheme = map[string]Driver{}
		}
		drivers.byScheme[scheme] = d
	}
}

// ErrScheme marks the error of a URL whose scheme no imported driver knows.
var ErrScheme = errors.New("storage: unknown scheme")

// Open opens the store that a URL names:
//
//	memory://           in this process, encoded; memory://name is one for all who name it
//	null://             keeps nothing
//	redis://:password@host:6379/2?prefix=svc:&serde=json%2Bzstd&timeout=50ms&pool=100
//
// Drivers that the program imports have other schemes, and document their parameters.
// All stores have these:
//
//	prefix   is put before every key
//	serde    how values are written, as serde.Parse reads it; default json
//
// Open reports every error in the URL before anything connects, and none contains a
// password. It does not ask whether the server can be reached: an unreachable store counts
// as a miss. ctx bounds what a driver does to open.
func Open(ctx context.Context, text string) (*Store, error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	drivers.Lock()
	driver := drivers.byScheme[u.Scheme]
	drivers.Unlock()
	if driver == nil {
		return nil, unknown(u.Scheme)
	}
	opts := []ShareOption{Prefix(u.Text("prefix", "")), Format(u.Text("serde", ""))}
	s, err := newStore(opts)
	if err != nil {
		u.errs = append(u.errs, err)
	}
	b, err := driver(ctx, u)
	if err != nil {
		return nil, err
	}
	if err := u.Check(); err != nil { // the driver's own check came first
		if c, ok := b.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
		return nil, err
	}
	s.bytes, s.name = b, u.String()
	return s, nil
}

func unknown(scheme string) error {
	if pkg := elsewhere[scheme]; pkg != "" {
		return fmt.Errorf("%w %q: import _ %q", ErrScheme, scheme, pkg)
	}
	return fmt.Errorf("%w %q: those known are %s", ErrScheme, scheme, knownSchemes())
}

// knownSchemes lists the schemes of all drivers, those that need an import too.
func knownSchemes() string {
	drivers.Lock()
	defer drivers.Unlock()
	all := maps.Clone(elsewhere)
	for scheme := range drivers.byScheme {
		delete(all, scheme)
	}
	var texts []string
	for _, scheme := range slices.Sorted(maps.Keys(drivers.byScheme)) {
		texts = append(texts, scheme+"://")
	}
	for _, scheme := range slices.Sorted(maps.Keys(all)) {
		texts = append(texts, fmt.Sprintf("%s:// (import _ %q)", scheme, all[scheme]))
	}
	return strings.Join(texts, ", ")
}
