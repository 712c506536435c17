package tree

import "github.com/redis/go-redis/v9"

// script is the text of one, and the SHA-1 by which the server knows it.
type script struct{ text, sha string }

func newScript(text string) script {
	return script{text, redis.NewScript(text).Hash()}
}

// A script is one atomic step. Its clock is the server's. The keys are, under
// one hash tag,
//
//	leaves  a sorted set of the leaves, all of the same score, so that their order
//	        is that of their bytes. One is its path, a byte 0, the instant at which
//	        it ends in ms or nothing, a space, and its value
//	ends    a sorted set of the paths of the leaves that end, by their instants
//	adds    a hash of what was added of late, so that an addition that is sent
//	        again is not made again
//
// What a script relies on, and leaves as it was: no leaf is below another, and
// the paths in ends are those of leaves that end. A leaf that has ended is hidden
// by whoever reads. It is deleted by the writes that come after, each of which
// deletes more than it adds, and the keys end with the last of their leaves if all
// of them end.
const (
	reading = `
local leaves, ends, path = KEYS[1], KEYS[2], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The path, the end, and the value of a leaf.
local function parts(leaf)
	local path, e, value = string.match(leaf, '^([^%z]*)%z(%d*) (.*)$')
	return path, tonumber(e) or math.huge, value
end

-- Calls f with the leaves at a path and below, some at a time, until it says true.
local function each(path, f)
	local from, to, most = '[' .. path .. '\0', '(' .. path .. '\2', 1
	while true do
		local page = redis.call('ZRANGEBYLEX', leaves, from, to, 'LIMIT', 0, most)
		if #page == 0 or f(page) or #page < most then return end
		from, most = '[' .. string.match(page[#page], '^[^%z]*') .. '\1', 500
	end
end
`
	// ARGV[2] is how many leaves may be at the path and below, those that have ended
	// too: the server does nothing else while it works on them.
	writing = reading + `
local function text(n) return string.format('%.0f', n) end

if redis.call('ZLEXCOUNT', leaves, '[' .. path .. '\0', '(' .. path .. '\2') > tonumber(ARGV[2]) then
	return redis.error_reply('TOOLARGE more than ' .. ARGV[2] .. ' leaves are there')
end

-- Both are asked before anything is changed: keys of another type are errors. What
-- the server has evicted of the two takes the other along.
local indexed = redis.call('ZCARD', ends)
if redis.call('ZCARD', leaves) == 0 and indexed > 0 then
	redis.call('DEL', ends)
	indexed = 0
end

-- Deletes the leaf at a path, and tells how many that were: one or none.
local function pluck(path)
	local n = redis.call('ZREMRANGEBYLEX', leaves, '[' .. path .. '\0', '(' .. path .. '\1')
	if n > 0 then redis.call('ZREM', ends, path) end
	return n
end

-- Deletes what is at a path and below. Tells how many leaves that were, and
-- whether any had not ended. Without an index the first of them tells, unless the
-- server has lost the index.
local function drop(path)
	local alive = false
	each(path, function(page)
		local ended = {}
		for _, leaf in ipairs(page) do
			local p, e = parts(leaf)
			if p and e < math.huge then ended[#ended + 1] = p end
			alive = alive or e > now
		end
		if #ended > 0 then redis.call('ZREM', ends, unpack(ended)) end
		return indexed == 0 and alive
	end)
	return redis.call('ZREMRANGEBYLEX', leaves, '[' .. path .. '\0', '(' .. path .. '\2'), alive
end

-- Makes room for leaves at a path or below: what was there goes, or the leaf that
-- is above it. There can't be both.
local function clear(path)
	if drop(path) > 0 then return end
	for at in string.gmatch(path, '()\1') do
		if pluck(string.sub(path, 1, at - 1)) > 0 then return end
	end
end

-- Deletes some of what has ended, and has the keys end with the last of the rest.
-- That may be this very millisecond, in which a key is deleted at once or lives on,
-- as the server's clock has it: the index must not be the one that goes alone, for
-- what it knew would stay.
local function settle(most)
	for _, path in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', text(now), 'LIMIT', 0, most)) do
		pluck(path)
	end
	local last = redis.call('ZREVRANGE', ends, 0, 0, 'WITHSCORES')[2]
	if last and redis.call('ZCARD', ends) == redis.call('ZCARD', leaves) then
		redis.call('PEXPIREAT', ends, text(last))
		redis.call('PEXPIREAT', leaves, text(last))
	else
		redis.call('PERSIST', leaves)
		redis.call('PERSIST', ends)
	end
end
`
	// It changes nothing. A server that takes no writes, or whose memory is full,
	// refuses it: later on it would let a script that has begun to write go on.
	growing = `
redis.call('ZADD', leaves, 'XX', 0, '')
`
)

var (
	// ARGV: path, where to begin as ZRANGEBYLEX has it, how many at most. Returns
	// the leaves, also those that have ended, and last the time, in s and the µs
	// beside them.
	getScript = newScript(`
local time = redis.call('TIME')
local found = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], '(' .. ARGV[1] .. '\2', 'LIMIT', 0, ARGV[3])
found[#found + 1] = time[1]
found[#found + 1] = time[2]
return found
`)
	// ARGV: path, how many leaves are looked at at most, 1 if it is only asked whether
	// there is anything. Returns for how long there is, in ms: -1 without end, -2 if
	// there is nothing.
	lifeScript = newScript(reading + `
local last, left = 0, tonumber(ARGV[2])
each(path, function(page)
	for _, leaf in ipairs(page) do
		left = left - 1
		if left < 0 then return true end
		local _, e = parts(leaf)
		if e > now then last = math.max(last, e) end
		if last == math.huge or last > 0 and ARGV[3] == '1' then return true end
	end
end)
if left < 0 then return redis.error_reply('TOOLARGE more than ' .. ARGV[2] .. ' leaves are there') end
if last == math.huge then return -1 end
return last > now and last - now or -2
`)
	// ARGV: path, where to begin as ZRANGEBYLEX has it, how many steps at most.
	// Returns the names of children, as they are stored, and last where to go on, or
	// nothing. A child is found in one step, unless it begins with what has ended.
	childrenScript = newScript(reading + `
local from, to, names = ARGV[2], '(' .. path .. '\2', {}
for _ = 1, tonumber(ARGV[3]) do
	local leaf = redis.call('ZRANGEBYLEX', leaves, from, to, 'LIMIT', 0, 1)[1]
	if not leaf then
		from = ''
		break
	end
	local p, e = parts(leaf)
	local child = p and string.match(p, '^[^\1]+', #path + 2)
	if not child then return redis.error_reply('FOREIGN it is no leaf of a tree') end
	if e > now then
		names[#names + 1] = child
		from = '[' .. path .. '\1' .. child .. '\2'
	else
		from = '[' .. p .. '\1'
	end
end
names[#names + 1] = from
return names
`)
	// ARGV: path, how many leaves, for how many ms or -1, and the path and value of each leaf.
	setScript = newScript(writing + growing + `
clear(path)
local keep, e, n = tonumber(ARGV[3]), '', (#ARGV - 3) / 2
if keep >= 0 then e = text(now + keep) end
for first = 4, #ARGV, 1000 do
	local add, index = {}, {}
	for i = first, math.min(first + 999, #ARGV), 2 do
		add[#add + 1] = 0
		add[#add + 1] = ARGV[i] .. '\0' .. e .. ' ' .. ARGV[i + 1]
		if keep >= 0 then
			index[#index + 1] = e
			index[#index + 1] = ARGV[i]
		end
	end
	redis.call('ZADD', leaves, unpack(add))
	if keep >= 0 then redis.call('ZADD', ends, unpack(index)) end
end
settle(n + 64)
return 1
`)
	// ARGV: path, how many leaves. Returns whether there was anything.
	deleteScript = newScript(writing + `
local _, alive = drop(path)
settle(64)
return alive and 1 or 0
`)
	// ARGV: path, how many leaves, for how many ms or -1. Returns whether there is anything.
	expireScript = newScript(writing + `
local keep, e, n = tonumber(ARGV[3]), '', 0
if keep >= 0 then e = text(now + keep) end
each(path, function(page)
	local old, add, index, unindex = {}, {}, {}, {}
	for _, leaf in ipairs(page) do
		local p, was, value = parts(leaf)
		if p and was > now then
			old[#old + 1] = leaf
			add[#add + 1] = 0
			add[#add + 1] = p .. '\0' .. e .. ' ' .. value
			index[#index + 1] = e
			index[#index + 1] = p
			unindex[#unindex + 1] = p
		end
	end
	if #old == 0 then return end
	n = n + #old
	redis.call('ZREM', leaves, unpack(old))
	redis.call('ZADD', leaves, unpack(add))
	if keep >= 0 then
		redis.call('ZADD', ends, unpack(index))
	else
		redis.call('ZREM', ends, unpack(unindex))
	end
end)
settle(n + 64)
return n > 0 and 1 or 0
`)
	// ARGV: path, how many leaves, how much, a name that no other addition has. Returns the sum as
	// text: HINCRBY counts in 64 bits, Lua would in the 53 of a float.
	addScript = newScript(writing + growing + `
local adds, id = KEYS[3], ARGV[4]
local known = redis.call('HGET', adds, id)
if known then return known end

local leaf = redis.call('ZRANGEBYLEX', leaves, '[' .. path .. '\0', '(' .. path .. '\1')[1]
local e, value = math.huge, '0'
if leaf then
	local _
	_, e, value = parts(leaf)
	if e <= now then leaf, e, value = nil, math.huge, '0' end
end
if not leaf then
	local node = false
	each(path, function(page)
		for _, leaf in ipairs(page) do
			local _, e = parts(leaf)
			node = node or e > now
		end
		return node
	end)
	if node then return redis.error_reply('NOTANINTEGER it has children') end
end

redis.call('HSET', adds, id, value)
local sum = redis.pcall('HINCRBY', adds, id, ARGV[3])
if type(sum) == 'table' then
	redis.call('HDEL', adds, id)
	return redis.error_reply('NOTANINTEGER ' .. sum.err)
end
sum = redis.call('HGET', adds, id)

-- The hash is a ring of the last 1,000.
local place = redis.call('HINCRBY', adds, 'n', 1) % 1000
local oldest = redis.call('HGET', adds, place)
if oldest then redis.call('HDEL', adds, oldest) end
redis.call('HSET', adds, place, id)
redis.call('PEXPIRE', adds, 600000)

if leaf then redis.call('ZREM', leaves, leaf) else clear(path) end
redis.call('ZADD', leaves, 0, path .. '\0' .. (e < math.huge and text(e) or '') .. ' ' .. sum)
settle(64)
return sum
`)
)
