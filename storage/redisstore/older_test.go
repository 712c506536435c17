package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// The scripts of the version before claims were numbered, word for word.
const (
	olderClock = `
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(n) return string.format('%.0f', n) end
`
	olderRecord = `
local f = redis.pcall('HMGET', key, 'g', 'k', 'e', 'h', 'x')
local g, h = f[1], tonumber(f[4]) or 0

-- The end of the value: 0 where there is none, none any more, or something that Get
-- would not take for a record.
local kept = f[2] and (f[2] == '-1' or #f[2] < 16 and string.find(f[2], '^%d+$'))
local ends = kept and (tonumber(f[3]) or math.huge) or 0
if ends <= now then ends = 0 end

-- The value ends at e, and the key no sooner than the claims.
local function last(e)
	if e > 0 and e < h then
		redis.call('HSET', key, 'x', text(h - e))
	elseif f[5] then
		redis.call('HDEL', key, 'x')
	end
	if e == math.huge then
		redis.call('PERSIST', key)
	else
		redis.call('PEXPIREAT', key, text(math.max(e, h)))
	end
end

-- The value lives for k ms from now on. What other fields are set comes after.
local function keep(k, ...)
	if k == '-1' then
		if f[3] then redis.call('HDEL', key, 'e') end
		redis.call('HSET', key, 'k', k, ...)
		last(math.huge)
	else
		local e = now + k
		redis.call('HSET', key, 'k', k, 'e', text(e), ...)
		last(e)
	end
end

-- There is no value any more; claims stay good.
local function drop()
	if f[2] then redis.call('HDEL', key, 'v', 'k', 'e') end
	last(0)
end
`
	olderReplace = `
local function replace(g, v, k)
	redis.call('DEL', key)
	if k == '-1' then
		redis.call('HSET', key, 'g', g, 'v', v, 'k', k)
	elseif k ~= '0' then
		local e = text(now + k)
		redis.call('HSET', key, 'g', g, 'v', v, 'k', k, 'e', e)
		redis.call('PEXPIREAT', key, e)
	end
end
`
	olderSet = olderClock + olderReplace + `
replace(ARGV[1], ARGV[2], ARGV[3])
return 1
`
	olderTouch = olderClock + olderRecord + `
if ends == 0 then return 0 end
if ARGV[1] == '0' then redis.call('DEL', key) else keep(ARGV[1]) end
return 1
`
	olderClaim = olderClock + olderRecord + `
if f.err then redis.call('DEL', key) end
local till = now + ARGV[2]
g, h = g or ARGV[1], math.max(h, till)
redis.call('HSET', key, 'g', g, 'h', text(h))
if ends == 0 then
	drop()
	return {text(till), g, 0, ''}
end
last(ends)
return {text(till), g, ends == math.huge and -1 or ends - now, redis.call('HGET', key, 'v') or ''}
`
	olderFill = olderClock + olderRecord + `
if now >= (tonumber(ARGV[1]) or 0) or g ~= ARGV[2] then return 0 end
if ARGV[4] == '0' then drop() else keep(ARGV[4], 'v', ARGV[3]) end
return 1
`
)

// older is a process of the version before.
type older struct {
	t   *testing.T
	rdb *redis.Client
}

func (o older) run(script, key string, args ...any) *redis.Cmd {
	o.t.Helper()
	cmd := o.rdb.Eval(o.t.Context(), script, []string{key}, args...)
	if err := cmd.Err(); err != nil {
		o.t.Fatal(err)
	}
	return cmd
}

func (o older) set(key, value string, keep time.Duration) {
	o.t.Helper()
	o.run(olderSet, key, fmt.Sprint("set ", value), value, keep.Milliseconds())
}

// claim returns what the fill needs.
func (o older) claim(key string, hold time.Duration) (until, g string) {
	o.t.Helper()
	said, err := o.run(olderClaim, key, fmt.Sprint("g of ", key, hold), hold.Milliseconds()).Slice()
	if err != nil || len(said) != 4 {
		o.t.Fatalf("an older claim returns %v, %v", said, err)
	}
	return said[0].(string), said[1].(string)
}

func (o older) fill(key, value string, keep time.Duration, until, g string) bool {
	o.t.Helper()
	n, err := o.run(olderFill, key, until, g, value, keep.Milliseconds()).Int()
	if err != nil {
		o.t.Fatal(err)
	}
	return n == 1
}

// TestBesideOlderProcesses mixes processes of this version and of the version before.
// Nothing is refused that would have been stored before, unless a later claim of this
// version has its value there.
func TestBesideOlderProcesses(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	e, o := redisstore.New(newClient(t, s)), older{t, newClient(t, s)}
	// What an older process does after a later claim was filled, so that the value is
	// not known to be of that claim any more, or still is.
	for _, c := range []struct {
		name   string
		does   func(key string)
		stored bool // the fill of the earlier claim then
		holds  string
	}{
		{"nothing", func(string) {}, false, "later"},
		{"claims", func(key string) { o.claim(key, time.Hour) }, true, "earlier"},
		{"claims for longer than the record", func(key string) { o.claim(key, 5*time.Hour) }, true, "earlier"},
		{"touches", func(key string) { o.run(olderTouch, key, 7_200_000) }, true, "earlier"},
		{"touches for a short time", func(key string) { o.run(olderTouch, key, 60_000) }, true, "earlier"},
		{"touches without end", func(key string) { o.run(olderTouch, key, -1) }, true, "earlier"},
		{"fills", func(key string) {
			until, g := o.claim(key, time.Hour)
			o.fill(key, "older", time.Hour, until, g)
		}, true, "earlier"},
		{"fills without end", func(key string) {
			until, g := o.claim(key, time.Hour)
			o.run(olderFill, key, until, g, "older", -1)
		}, true, "earlier"},
		{"sets", func(key string) { o.set(key, "set", time.Hour) }, false, "set"},
	} {
		for _, hold := range []time.Duration{time.Minute, 3 * time.Hour} { // the key ends with the value, or with claims
			for _, before := range []bool{false, true} {
				key := fmt.Sprint(c.name, hold, before)
				if before {
					o.set(key, "before", time.Hour)
				}
				earlier, later := claimOf(t, e, key, hold), claimOf(t, e, key, hold)
				if !fillFor(t, e, key, "later", time.Hour, later.Token) {
					t.Fatalf("%s: the later fill is refused", key)
				}
				c.does(key)
				if stored := fillFor(t, e, key, "earlier", time.Hour, earlier.Token); stored != c.stored {
					t.Errorf("%s: the earlier fill says %v, want %v", key, stored, c.stored)
				}
				if got := found(t, e, key); got != c.holds {
					t.Errorf("%s: %q is found, want %q", key, got, c.holds)
				}
				if c.name == "sets" {
					continue
				}
				// Numbers go on: a still later claim is filled, and keeps earlier ones out.
				last := claimOf(t, e, key, hold)
				if !fillFor(t, e, key, "last", time.Hour, last.Token) || fillFor(t, e, key, "later", time.Hour, later.Token) {
					t.Errorf("%s: the last fill is refused, or one before it is not", key)
				}
			}
		}
	}
	// Older claims are good beside numbered ones, and older readers read what is there.
	until, g := o.claim("mixed", time.Hour)
	mine := claimOf(t, e, "mixed", 2*time.Hour)
	if !fillFor(t, e, "mixed", "mine", time.Hour, mine.Token) || !o.fill("mixed", "older", time.Hour, until, g) {
		t.Error("a fill is refused beside one of another version")
	}
	if !fillFor(t, e, "mixed", "mine", time.Hour, mine.Token) {
		t.Error("the fill of a claim is refused in favour of an older process's")
	}
	end, err := o.rdb.HMGet(t.Context(), "mixed", "k", "x").Result()
	if err != nil || end[0] != "3600000" {
		t.Errorf("readers find %v, %v", end, err)
	}
	fill := storage.Filling{Item: storage.Item{Key: "mixed", Value: []byte("mine"), Keep: storage.Forever}, Token: mine.Token}
	if stored, err := e.Fill(t.Context(), fill); err != nil || !stored[0] {
		t.Fatal(stored, err)
	}
	if until, g := o.claim("mixed", time.Hour); !o.fill("mixed", "older", time.Hour, until, g) || found(t, e, "mixed") != "older" {
		t.Error("an older process can't fill over a value without end")
	}
}
