package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// A script changes one key in one atomic step. Its clock is the server's. What
// the fields of a record are is told in the package's documentation.
//
// No script but those that set, add, fill and touch, which are told to, moves the end of a
// value: it is kept as the instant e, and not reckoned anew from what is left.
const (
	clock = `
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(n) return string.format('%.0f', n) end
`
	// What is stored. Of another type than a hash, it is as if there were nothing.
	record = `
local f = redis.pcall('HMGET', key, 'g', 'k', 'e', 'h', 'x', 'f', 'c')
local g, h = f[1], tonumber(f[4]) or 0


-- The end of the value: 0 where there is none, none any more, or something that Get
-- would not take for a record.
local kept = f[2] and (f[2] == '-1' or #f[2] < 16 and string.find(f[2], '^%d+$'))
local ends = kept and (tonumber(f[3]) or math.huge) or 0
if ends <= now then ends = 0 end

-- The number of the claim whose value is stored: 0 where there is none, or it is not
-- known. Scripts of the version before leave f as it is, and write or delete x; so x
-- begins with a zero where f is true.
local number = ends > 0 and f[5] and string.sub(f[5], 1, 1) == '0' and tonumber(f[6]) or 0

-- The value ends at e, and the key no sooner than the claims.
local function last(e)
	local x = e > 0 and e < h and text(h - e) or nil
	if number > 0 then x = '0' .. (x or '0') end
	if x and x ~= f[5] then
		redis.call('HSET', key, 'x', x)
	elseif f[5] and not x then
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
		redis.call('HSET', key, 'k', k, ...) -- first: what follows a deletion is done though the memory is full
		if f[3] then redis.call('HDEL', key, 'e') end
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
	number = 0
	last(0)
end
`
	// The key gets a generation if it has none, which is kept for so many ms, and the
	// claim a number.
	claim = `
if f.err then redis.call('DEL', key) end
local till, n = now + ARGV[2], (tonumber(f[7]) or 0) + 1
g, h = g or ARGV[1], math.max(h, till)
redis.call('HSET', key, 'g', g, 'h', text(h), 'c', text(n))
if ends == 0 then drop() else last(ends) end
`
	// A record takes the place of whatever is there, claims too. It returns the error of
	// a server whose memory is full: that would do everything that follows the DEL.
	replace = `
local function replace(g, v, k)
	if k ~= '0' then
		local r = redis.pcall('HSET', key, 'g', g)
		if type(r) == 'table' and r.err and string.find(r.err, 'OOM', 1, true) then return r end
	end
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
)

var (
	// ARGV: g, v, k, the instant from which on it is refused, how often it was sent.
	// Returns now, -now where it comes too late, and 0 where it can't know whether what
	// was sent before has been done: then others may have changed the key since.
	setScript = newScript(clock + replace + `
if ARGV[5] ~= '1' then return redis.pcall('HGET', key, 'g') == ARGV[1] and now or 0 end
if now >= tonumber(ARGV[4]) then return -now end
local full = replace(ARGV[1], ARGV[2], ARGV[3])
if full then return full end
return now
`)
	// ARGV: a g if there is none, for how many ms it is needed. Returns g and now.
	openScript = newScript(clock + record + claim + `
return {g, now}
`)
	// ARGV: g, v, k, the g that was there when it began. Returns 0 where others have
	// changed the key since. It knows its own g again.
	setOpenedScript = newScript(clock + replace + `
local g = redis.pcall('HGET', key, 'g')
if g == ARGV[1] then return 1 end
if g ~= ARGV[4] then return 0 end
local full = replace(ARGV[1], ARGV[2], ARGV[3])
if full then return full end
return 1
`)
	// ARGV: g, v, k, the instant from which on it is refused, how often it was sent.
	// Returns 1 or 0, -1 where it comes too late, and -2 where it can't know whether what
	// was sent before has been done. It knows its own g again.
	addScript = newScript(clock + record + replace + `
if g == ARGV[1] then return 1 end
if ends > 0 then return 0 end
if ARGV[5] ~= '1' then return -2 end
if now >= tonumber(ARGV[4]) then return -1 end
local full = replace(ARGV[1], ARGV[2], ARGV[3])
if full then return full end
return 1
`)
	// ARGV: g, v, k, the g that was there when it began. Returns 1 or 0, and -2 where
	// others have changed the key since, and there is nothing.
	addOpenedScript = newScript(clock + record + replace + `
if g == ARGV[1] then return 1 end
if ends > 0 then return 0 end
if g ~= ARGV[4] then return -2 end
local full = replace(ARGV[1], ARGV[2], ARGV[3])
if full then return full end
return 1
`)
	// ARGV: k.
	touchScript = newScript(clock + record + `
if ends == 0 then return 0 end
redis.call('HDEL', key, '') -- deletes nothing: a server whose memory is full lets who has written go on
if ARGV[1] == '0' then redis.call('DEL', key) else keep(ARGV[1]) end
return 1
`)
	deleteScript = newScript(clock + record + `
redis.call('DEL', key)
return ends > 0 and 1 or 0
`)
	// ARGV: a g if there is none, hold in ms. Returns the end of the claim, g, what is
	// left of the value in ms, the value, the claim's number, and that of the claim
	// whose value it is.
	claimScript = newScript(clock + record + claim + `
if ends == 0 then return {text(till), g, 0, '', n, number} end
return {text(till), g, ends == math.huge and -1 or ends - now, redis.call('HGET', key, 'v') or '', n, number}
`)
	// ARGV: the end of the claim, g, v, k, the claim's number, or for the value that it
	// has returned the number of that. Of two the later claim's value stays.
	fillScript = newScript(clock + record + `
local n = tonumber(ARGV[5]) or 0
if now >= (tonumber(ARGV[1]) or 0) or g ~= ARGV[2] or n < number then return 0 end
number = n
if ARGV[4] == '0' then drop() else keep(ARGV[4], 'v', ARGV[3], 'f', text(n)) end
return 1
`)
	// ARGV: a g of its own, v, k, the end of the claim, its g, the SHA-1 of the value that
	// it has returned, or nothing, and how often it was sent. Returns 1 or 0, and -2 where
	// it can't know whether what was sent before has been done, and replaced since. It
	// knows its own g again.
	swapScript = newScript(clock + record + replace + `
if g == ARGV[1] then return 1 end
if now < (tonumber(ARGV[4]) or 0) and g == ARGV[5] and (ends > 0 and redis.sha1hex(redis.call('HGET', key, 'v') or '') or '') == ARGV[6] then
	return replace(ARGV[1], ARGV[2], ARGV[3]) or 1
end
return ARGV[7] == '1' and 0 or -2
`)
)

// scripts is the text of every script, by its SHA-1.
var scripts = map[string]string{}

func newScript(text string) (sha string) {
	sha = redis.NewScript(text).Hash()
	scripts[sha] = text
	return sha
}

// script is the command that runs a script on a key.
func script(ctx context.Context, sha, key string, args ...any) *redis.Cmd {
	return redis.NewCmd(ctx, append([]any{"evalsha", sha, "1", key}, args...)...)
}

func keyOf(script *redis.Cmd) string { return script.Args()[3].(string) }

// run sends scripts in one round trip, and once more, as a whole, those that the
// server does not know: because it never did, was restarted, or was told to
// forget them. What follows on the same key is run again too, so that the last
// of two is the last.
func (c *client) run(ctx context.Context, cmds []*redis.Cmd) {
	c.send(ctx, cmders(cmds)...)
	var unknown map[string]bool // keys
	var again []*redis.Cmd
	var at []int
	for i, cmd := range cmds {
		key := keyOf(cmd)
		if !redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") && !unknown[key] {
			continue
		}
		if unknown == nil {
			unknown = map[string]bool{}
		}
		unknown[key] = true
		args := append([]any{"eval", scripts[cmd.Args()[1].(string)]}, cmd.Args()[2:]...)
		notDone(args)
		again, at = append(again, redis.NewCmd(ctx, args...)), append(at, i)
	}
	if len(again) == 0 {
		return
	}
	c.send(ctx, cmders(again)...)
	for i, cmd := range again {
		cmds[at[i]] = cmd
	}
}

func cmders[C redis.Cmder](cmds []C) []redis.Cmder {
	all := make([]redis.Cmder, len(cmds))
	for i, cmd := range cmds {
		all[i] = cmd
	}
	return all
}
