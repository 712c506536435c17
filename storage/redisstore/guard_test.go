package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// huge is what would end the program for want of memory.
var huge = []string{"*999999999999\r\n", "$99999999999999\r\n", "%999999999999\r\n", ">999999999999\r\n", strings.Repeat("*1000000\r\n", 60), "$500000000\r\n"}

// Nothing that a server says of what is to come ends the program, nor takes more room
// than values may: of whatever kind of client, from its first command on.
func TestLengthsAreNotBelieved(t *testing.T) {
	t.Parallel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, says := range append(slices.Clone(huge), servers.Nonsense...) {
		for _, polite := range []bool{true, false} {
			addr := servers.Fake(t, func(to net.Conn, command []string) bool {
				if polite && servers.Hello(to, command) {
					return true
				}
				_, err := io.WriteString(to, says)
				return err == nil
			})
			var all sync.WaitGroup
			for _, where := range []string{"redis://" + addr + "/0?retries=0", "redis+cluster://" + addr + "?retries=1", "redis+sentinel://" + addr + "/main/0?retries=0"} {
				for _, layout := range layouts {
					all.Go(func() {
						s := open(t, "%s&timeout=20ms&layout=%s", where, layout)
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
						defer cancel()
						if _, err := s.Bytes().Get(ctx, "a"); slices.Contains(huge, says) && err == nil {
							t.Errorf("%s, %s: %.20q is believed", where, layout, says)
						}
					})
				}
			}
			all.Wait()
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<30 {
		t.Errorf("%d MiB were taken", used>>20)
	}
}

// A value that is too large is told so, be it a little or by far, over a connection
// that is of no use then and by a client of one's own.
func TestTooLargeIsToldThroughTheGuard(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	opts := &redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true}
	opts.Dialer = redisstore.Guard(redis.NewDialer(opts), 1<<10)
	rdb := redis.NewClient(opts)
	defer closes(t, rdb)
	for _, size := range []int{1<<10 + 1, 1 << 20, 5 << 20} {
		key := strconv.Itoa(size)
		s.Command("SET", key, strings.Repeat("x", size))
		for name, b := range map[string]storage.Bytes{
			"of a URL":     open(t, "redis://%s?layout=string&max-value=1024", s.Addr()).Bytes(),
			"of one's own": redisstore.NewStrings(rdb, redisstore.MaxValue(1<<10)),
		} {
			_, err := b.Get(t.Context(), key)
			if !errors.Is(err, redisstore.ErrTooLarge) || !errors.Is(err, storage.ErrRefused) || !strings.Contains(err.Error(), "max-value") {
				t.Errorf("a client %s says of %d bytes: %v", name, size, err)
			}
			if r, err := b.Get(t.Context(), "nothing"); r.Found || err != nil {
				t.Errorf("a client %s says then: %v", name, err)
			}
		}
	}
}
