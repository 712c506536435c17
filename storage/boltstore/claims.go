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

// tokenSize is that of a token: the generation, until when it may be filled, the
// number of the claim, and that of the claim whose value it has found.
const tokenSize = 32

// claims are the keys that somebody may be about to fill, each with a generation
// that whoever claims it gets, until the key is written. The claims of a generation
// are numbered.
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
	generation uint64
	until      time.Duration // since start
	claims     uint64
	filled     uint64 // the number of the claim whose value is in the file
}

func newClaims(c clock.Clock) *claims {
	return &claims{
		clock: c, start: c.Now(), byKey: map[string]claim{}, tidyAt: 64,
		last: rand.Uint64(), // a token of another store is good for nothing here
	}
}

// take claims a key for a time and returns the token. It comes before the record is
// read: what is found may be of a later claim than the token says, and then no touch
// replaces it.
func (c *claims) take(key string, hold time.Duration) string {
	now := c.clock.Since(c.start)
	until := now + min(hold, never-now)
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.byKey[key]
	if !ok || held.until <= now {
		c.tidy(now)
		c.last++
		held = claim{generation: c.last}
	}
	held.until = max(held.until, until)
	held.claims++
	c.byKey[key] = held
	token := make([]byte, 0, tokenSize)
	for _, n := range []uint64{held.generation, uint64(until), held.claims, held.filled} {
		token = binary.BigEndian.AppendUint64(token, n)
	}
	return string(token)
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

// good reports whether nobody has written the key since the token was given, and
// its time is not over.
func (c *claims) good(key, token string) bool {
	if len(token) != tokenSize {
		return false
	}
	until := time.Duration(tokenPart(token, 1))
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.byKey[key]
	return ok && held.generation == tokenPart(token, 0) && c.clock.Since(c.start) < until
}

// filled is the number of the claim whose value is in the file.
func (c *claims) filled(key string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[key].filled
}

func tokenPart(token string, i int) uint64 {
	return binary.BigEndian.Uint64([]byte(token[8*i : 8*i+8]))
}

// mark is of a claim whose value is in the file.
type mark struct{ generation, number uint64 }

// fill puts down whose value is in the file, once it is.
func (c *claims) fill(key string, m mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, ok := c.byKey[key]; ok && held.generation == m.generation {
		held.filled = m.number
		c.byKey[key] = held
	}
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
