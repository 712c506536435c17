package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

var _ storage.StatefulBytes = (*Values)(nil)

// stateKey is what a database loses with all else. It is a string, and no record.
const stateKey = "perennial:state"

// ARGV: what tells this state from others.
var valueStateScript = newScript(`
local t = redis.call('TIME')
local now = t[1] * 1e6 + t[2]
local state = redis.call('GET', KEYS[1])
local since = state and string.match(state, '^(%d+) %w+$')
if state and not since then return redis.error_reply('WRONGTYPE the key holds something else') end
if not state then
	since = string.format('%.0f', now)
	state = since .. ' ' .. ARGV[1]
	redis.call('SET', KEYS[1], state)
end
return {state, string.format('%.0f', now - since)}
`)

// State implements storage.StatefulBytes: the id is kept under the key
// perennial:state of the database. Of a cluster it is that of one node, and what
// the others lose goes unnoticed.
func (v *Values) State(ctx context.Context) (id string, age time.Duration, err error) {
	cmds := []*redis.Cmd{script(ctx, valueStateScript, stateKey, rand.Text())}
	v.run(ctx, cmds)
	said, err := cmds[0].Slice()
	if err != nil {
		return "", 0, v.explain(ctx, "state", stateKey, err)
	}
	if len(said) == 2 {
		id, _ = said[0].(string)
		text, _ := said[1].(string)
		if micros, err := time.ParseDuration(text + "us"); err == nil && id != "" {
			return id, max(micros, 0), nil
		}
	}
	return "", 0, fmt.Errorf("redisstore: state: %w", redisask.ErrAnswer)
}

// records is the keys that may be of records.
func records(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return key == stateKey })
}
