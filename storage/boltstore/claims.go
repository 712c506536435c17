package boltstore

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// maxClaims is how many keys may be claimed at a time. Past it all claims are
// dropped, which costs their fills and nothing else.
const maxClaims = 1 << 16

// tokenSize is that of a token: the number, and until when it may be filled.
const tokenSize = 16

// claims are the keys that somebody may be about to fill, each with a number
// that whoever claims it gets, until the key is written.
//
// What writes a key drops its claims twice: inside the transaction, for the
// fills that follow in it, and once it is committed, for those who claimed
// meanwhile and still saw the old record.
type claims struct {
	clock clock.Clock
	start time.Time

	mu     sync.Mutex
	last   uint64
	byKey  map[string]claim
	tidyAt int // the length at which those that are over are looked for
}

type claim struct {
	number uint64
	until  time.Duration // since start
}

func newClaims(c clock.Clock) *claims {
	return &claims{
		clock: c, start: c.Now(), byKey: map[string]claim{}, tidyAt: 64,
		last: rand.Uint64(), // a token of another store is good for nothing here
	}
}

// take claims a key for a time and returns the token.
func (c *claims) take(key string, hold time.Duration) string {
	now := c.clock.Since(c.start)
	until := now + min(hold, never-now)
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.byKey[key]
	if !ok || held.until <= now {
		c.tidy(now)
		c.last++
		held = claim{number: c.last}
	}
	held.until = max(held.until, until)
	c.byKey[key] = held
	token := binary.BigEndian.AppendUint64(make([]byte, 0, tokenSize), held.number)
	return string(binary.BigEndian.AppendUint64(token, uint64(until)))
}

// tidy makes room for one more, at a cost that the claims since the last time
// share.
func (c *claims) tidy(now time.Duration) {
	if len(c.byKey) < c.tidyAt {
		return
	}
	for key, held := range c.byKey {
		if held.until <= now {
			delete(c.byKey, key)
		}
	}
	if len(c.byKey) > maxClaims/2 {
		clear(c.byKey)
	}
	c.tidyAt = max(64, 2*len(c.byKey))
}

// good tells whether nobody has written the key since the token was given, and
// its time is not over.
func (c *claims) good(key, token string) bool {
	if len(token) != tokenSize {
		return false
	}
	number := binary.BigEndian.Uint64([]byte(token[:8]))
	until := time.Duration(binary.BigEndian.Uint64([]byte(token[8:])))
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.byKey[key]
	return ok && held.number == number && c.clock.Since(c.start) < until
}

// drop ends the claims of a key.
func (c *claims) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byKey, key)
}

// dropAll ends the claims of all keys that begin with the prefix.
func (c *claims) dropAll(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.byKey {
		if strings.HasPrefix(key, prefix) {
			delete(c.byKey, key)
		}
	}
}
