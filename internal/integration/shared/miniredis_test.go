package shared

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/storagetest"
)

// TestConformanceOnMiniredis runs the suite where no server is installed, and to
// the millisecond: the clock of this stand-in is moved by hand. It speaks the
// protocol over TCP and runs the scripts in a Lua of its own. Nothing is left
// out, but what standIn does for it is needed; and it does not evict, restart,
// replicate or cluster.
func TestConformanceOnMiniredis(t *testing.T) {
	if checks.Race {
		t.Skip("its scripts are interpreted, which takes ten times as long; what is ours is run against real servers")
	}
	const (
		ofStrings = storagetest.Bulk | storagetest.Adder | storagetest.Toucher | storagetest.Lister | storagetest.KeyLimit
		ofFields  = ofStrings &^ storagetest.Toucher
		ofEntries = ofStrings | storagetest.Fenced | storagetest.Swapper
	)
	for layout, c := range map[string]struct {
		can  storagetest.Capability
		over func(redis.UniversalClient) storage.Bytes
	}{
		"entry":  {ofEntries, func(r redis.UniversalClient) storage.Bytes { return redisstore.New(r) }},
		"string": {ofStrings, func(r redis.UniversalClient) storage.Bytes { return redisstore.NewStrings(r) }},
		"field":  {ofFields, func(r redis.UniversalClient) storage.Bytes { return redisstore.NewFields(r, "hash") }},
	} {
		t.Run(layout, func(t *testing.T) {
			server := miniredis.RunT(t)
			server.ClockTTL(true)
			now := time.Unix(1_700_000_000, 0)
			server.SetTime(now)
			rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
			rdb.AddHook(&standIn{})
			t.Cleanup(func() { noError(t, rdb.Close()) })
			storagetest.TestBytes(t, storagetest.Store{
				New: func(*testing.T) storage.Bytes { return c.over(rdb) }, Can: c.can,
				Resolution: time.Millisecond, Steps: 500, Timeless: c.can == ofFields, Exact: true,
				Advance: func(d time.Duration) {
					now = now.Add(d)
					server.SetTime(now)
				},
			})
		})
	}
}

// standIn does for miniredis what it does otherwise than a server:
//
//   - A server runs commands that come together together, unless there are too
//     many. Here others come between, so that a read finds less time than there
//     is, as it may: they are kept apart.
//   - Times of more than 292 years overflow.
//   - It panics at a SCAN for a pattern that is not UTF-8.
type standIn struct{ sync.Mutex }

func (s *standIn) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *standIn) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		s.Lock()
		defer s.Unlock()
		for _, cmd := range cmds {
			boundTime(cmd)
		}
		return next(ctx, cmds)
	}
}

func (s *standIn) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.Lock()
		defer s.Unlock()
		boundTime(cmd)
		if scan, ok := cmd.(*redis.ScanCmd); ok {
			return scanAnyBytes(ctx, scan, next)
		}
		return next(ctx, cmd)
	}
}

func boundTime(cmd redis.Cmder) {
	args := cmd.Args()
	for i, arg := range args {
		if ms, ok := arg.(int64); ok {
			args[i] = min(ms, math.MaxInt64/int64(time.Millisecond))
		}
	}
}

// scanAnyBytes asks for everything in place of what is not UTF-8. A pattern here
// is a text and a star.
func scanAnyBytes(ctx context.Context, scan *redis.ScanCmd, next redis.ProcessHook) error {
	args := scan.Args()
	match := slices.Index(args, any("match")) + 1
	if match == 0 || utf8.ValidString(args[match].(string)) {
		return next(ctx, scan)
	}
	prefix := escaped.ReplaceAllString(strings.TrimSuffix(args[match].(string), "*"), "$1")
	args[match] = "*"
	if err := next(ctx, scan); err != nil {
		return err
	}
	each := 1
	if scan.Name() == "hscan" {
		each = 2 // a field and its value
	}
	var kept []string
	all, cursor := scan.Val()
	for found := range slices.Chunk(all, each) {
		if strings.HasPrefix(found[0], prefix) {
			kept = append(kept, found...)
		}
	}
	scan.SetVal(kept, cursor)
	return nil
}

var escaped = regexp.MustCompile(`(?s)\\(.)`)
