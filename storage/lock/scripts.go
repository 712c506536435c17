package lock

import "github.com/redis/go-redis/v9"

// A script is one atomic step. Its clock is the server's. It calls a value FOREIGN that
// no script of this package has stored. It looks at all that
// it needs before it changes anything, so that a value of another type, which
// ends it with an error, ends it with nothing changed. Its keys are
//
//	tree   hash: token, the last that was given, and released, the owner
//	       of the last hold that was released
//	hold   of a node, string: owner and token, for as long as it is held
//	below  of a node, sorted set: the paths below it that are held, each with
//	       the instant at which that ends, in ms
//
// A hold is there alone as long as it lasts; what is below counts to the end of
// its last ms, as the server counts that of a key.
const (
	clock = `
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

local function text(n) return string.format('%.0f', n) end
`
	// Who holds a node, and the token; nothing if nobody does.
	holder = `
local function holder(key)
	local held = redis.call('GET', key)
	if not held then return end
	local owner, token = string.match(held, '^(%w+) (%d+)$')
	if not owner then error('FOREIGN value') end
	return owner, token
end
`
	// The path is held below the nodes KEYS[first] to KEYS[last], for ms from
	// now on. Each of these keys lives a little longer than what is in it.
	mark = `
local function mark(first, last, path, ms)
	for i = first, last do
		redis.call('ZADD', KEYS[i], text(now + ms), path)
		if redis.call('PTTL', KEYS[i]) < ms + 1000 then
			redis.call('PEXPIRE', KEYS[i], text(ms + 1000))
		end
	end
end
`
	// KEYS: the holds of the nodes from the first element to the path, and what is
	// below the path. Returns for how many ms the one that is in the way is held;
	// nil if none is but that of ARGV[1].
	search = `
local function search(first, last, below)
	for i = first, last do
		local owner = holder(KEYS[i])
		if owner and not (i == last and owner == ARGV[1]) then
			return redis.call('PTTL', KEYS[i])
		end
	end
	local ends = redis.call('ZREVRANGEBYSCORE', KEYS[below], '+inf', text(now), 'WITHSCORES', 'LIMIT', 0, 1)[2]
	return ends and ends - now
end
`
)

var (
	// KEYS: tree, holds from the first element to the path, belows likewise.
	// ARGV: owner, hold, life of the tree, both in ms, path. Returns the token, or
	// 0, and the ms for which it is held.
	acquireScript = redis.NewScript(clock + holder + mark + search + `
local n, ms = (#KEYS - 1) / 2, tonumber(ARGV[2])
local left = search(2, n + 1, #KEYS)
if left then return {0, left} end
local last = redis.call('HGET', KEYS[1], 'token') or '0'
if not string.find(last, '^%d+$') or tonumber(last) >= 2^53 then error('FOREIGN token') end
local _, token = holder(KEYS[n + 1]) -- its own
token = tonumber(token) or math.max(last + 1, micros)
for i = n + 2, #KEYS - 1 do
	redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. text(now))
end
redis.call('HSET', KEYS[1], 'token', text(math.max(last, token)))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[n + 1], ARGV[1] .. ' ' .. text(token), 'PX', ARGV[2])
mark(n + 2, #KEYS - 1, ARGV[4], ms)
return {token, 0}
`)
	// KEYS: the path's hold, belows of the nodes above it. ARGV: owner, token,
	// hold in ms, path. Returns whether it was held.
	renewScript = redis.NewScript(clock + holder + mark + `
local owner, token = holder(KEYS[1])
if owner ~= ARGV[1] or token ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
mark(2, #KEYS, ARGV[4], tonumber(ARGV[3]))
return 1
`)
	// KEYS: tree, the path's hold, belows of the nodes above it. ARGV: owner,
	// life of the tree in ms, path, channel. Returns whether it was held; it knows
	// the last that it released again: then it is sent a second time, because the
	// connection was lost before its answer came.
	releaseScript = redis.NewScript(holder + `
if holder(KEYS[2]) ~= ARGV[1] then
	return redis.call('HGET', KEYS[1], 'released') == ARGV[1] and 1 or 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- first: a server whose memory is full lets who has written go on
redis.call('HSET', KEYS[1], 'released', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
for i = 3, #KEYS do redis.call('ZREM', KEYS[i], ARGV[3]) end
redis.pcall('PUBLISH', ARGV[4], ARGV[3]) -- who may not tell has others poll
return 1
`)
	// KEYS: holds from the first element to the path, what is below the path.
	// Returns whether anything is in the way.
	heldScript = redis.NewScript(clock + holder + search + `
return search(1, #KEYS - 1, #KEYS) and 1 or 0
`)
)
