package redisstore

// The scripts of the layout value. Like those of the layout entry they change
// one key each, in one atomic step, by the server's clock; here the key's own end
// is the clock. They never read a value.
const (
	// What is known of a key, and how it changes. ARGV[1] is the channel that its
	// changes are told on, without the key, and ARGV[2] who changes it. What is
	// told is told before it is written: a user who may not tell it changes
	// nothing.
	valueRecord = `
local key, kept = KEYS[1], 60000
local f = redis.pcall('HMGET', key, 'i', 'k', 'p')
if f.err then return f end
if not f[1] and redis.call('EXISTS', key) == 1 then
	return redis.error_reply('WRONGTYPE the key holds a hash of another kind')
end
local made = f[3] or '\0'
local lives = f[2] and (f[2] == '-1' or redis.call('PTTL', key) > kept)

local function known(i) return string.find(made, '\0' .. i .. '\0', 1, true) end

-- Who made a version and the version, each with a zero byte behind, the last one
-- last. Of all the last 17 are kept, and before them the last of each of 47 others:
-- who is cut off asks for it after many changes by others. That is seen to once in
-- a while, for it takes longer than all else.
local function trim()
	local whos, whats, last = {}, {}, {}
	for who, what in string.gmatch(string.sub(made, 2), '(%Z*)%z(%Z*)%z') do
		whos[#whos + 1], whats[#whos + 1] = who, what
		last[who] = #whos
	end
	local n, others, found = #whos, 0, {}
	for at = n, 1, -1 do
		if n - at >= 17 then
			if last[whos[at]] == at and others < 47 then others = others + 1 else whos[at] = nil end
		end
	end
	for at = 1, n do
		if whos[at] then found[#found + 1] = whos[at] .. '\0' .. whats[at] .. '\0' end
	end
	made = '\0' .. table.concat(found)
end

-- The key becomes a record of the version i, or none where k is '0'.
local function becomes(i, v, k)
	if lives or k ~= '0' then
		redis.call('PUBLISH', ARGV[1] .. key, k == '0' and '' or i)
	end
	made = made .. ARGV[2] .. '\0' .. i .. '\0'
	if #made > 80 * (#ARGV[2] + #i + 2) then trim() end
	if k == '0' then
		redis.call('HDEL', key, '') -- deletes nothing: a server whose memory is full lets who has written go on
		redis.call('HSET', key, 'i', i, 'p', made)
		redis.call('HDEL', key, 'v', 'k')
		redis.call('PEXPIRE', key, kept)
		return
	end
	if lives and redis.call('HSTRLEN', key, 'v') > #v then
		redis.call('HDEL', key, '') -- deletes nothing, as above: what is smaller frees memory
	end
	redis.call('HSET', key, 'i', i, 'p', made, 'k', k, 'v', v)
	if k == '-1' then
		if f[3] and f[2] ~= '-1' then redis.call('PERSIST', key) end
	else
		redis.call('PEXPIRE', key, string.format('%.0f', k + kept))
	end
end
`
)

var (
	// ARGV: channel, who, i, v, k. One that is known again was sent twice, because the
	// connection was lost before its answer came.
	valueSetScript = newScript(valueRecord + `
if not known(ARGV[3]) and (lives or ARGV[5] ~= '0') then becomes(ARGV[3], ARGV[4], ARGV[5]) end
return 1
`)
	// ARGV: channel, who, i.
	valueDeleteScript = newScript(valueRecord + `
if known(ARGV[3]) then return 1 end
if not lives then return 0 end
becomes(ARGV[3], '', '0')
return 1
`)
	// ARGV: channel, who, i, v, k, the i that was seen.
	valueSwapScript = newScript(valueRecord + `
if known(ARGV[3]) then return 1 end
if (lives and f[1] or '') ~= ARGV[6] then return 0 end
becomes(ARGV[3], ARGV[4], ARGV[5])
return 1
`)
	// It fails where the key is not ours.
	valueCheckScript = newScript(valueRecord + `return 1`)
)

// valueKept is the "kept" of the scripts, in ms: storage.VersionsKept.
const valueKept = 60_000
