/**
 * A lane is a log of what was asked for in the last window: a sorted set of entries by the time at which they leave it, and a
 * hash with what each counts, as `requests:tokens:images`. Entries are bounded by the limits themselves. Every script
 * runs on the time of Redis, or on the one that a test passes in its place.
 *
 * KEYS: entries, amounts, pause. ARGV[1]: milliseconds, or an empty text for the time of Redis.
 */
const BEGIN = `
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 1, #gone, 1000 do
  redis.call('HDEL', KEYS[2], unpack(gone, i, math.min(i + 999, #gone)))
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local function keep(milliseconds)
  redis.call('PEXPIRE', KEYS[1], milliseconds)
  redis.call('PEXPIRE', KEYS[2], milliseconds)
end
local function amounts(entry)
  local r, t, i = string.match(redis.call('HGET', KEYS[2], entry) or '0:0:0', '^(%d+):(%d+):(%d+)$')
  return tonumber(r), tonumber(t), tonumber(i)
end
`;

/**
 * ARGV: now, window, requests, tokens and images allowed, id, tokens wanted.
 * Answers 0 when it is reserved, else how many milliseconds to wait.
 */
export const RESERVE = `${BEGIN}
local rest = tonumber(redis.call('GET', KEYS[3]) or '0') - now
if rest > 0 then return rest end
local window = tonumber(ARGV[2])
local left = { tonumber(ARGV[3]) - 1, tonumber(ARGV[4]) - tonumber(ARGV[7]), tonumber(ARGV[5]) - 1 }
local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local r, t, m = amounts(entries[i])
  left[1] = left[1] - r
  left[2] = left[2] - t
  left[3] = left[3] - m
end
if left[1] >= 0 and left[2] >= 0 and left[3] >= 0 then
  redis.call('ZADD', KEYS[1], now + window, ARGV[6])
  redis.call('HSET', KEYS[2], ARGV[6], '1:' .. ARGV[7] .. ':1')
  keep(window * 2)
  return 0
end
for i = 1, #entries, 2 do
  local r, t, m = amounts(entries[i])
  left[1] = left[1] + r
  left[2] = left[2] + t
  left[3] = left[3] + m
  if left[1] >= 0 and left[2] >= 0 and left[3] >= 0 then
    return math.max(1, math.ceil(tonumber(entries[i + 1]) - now))
  end
end
return window
`;

/** ARGV: now, id, tokens. An entry that has left the window stays out. */
export const SETTLE = `${BEGIN}
if redis.call('ZSCORE', KEYS[1], ARGV[2]) then
  local r, _, m = amounts(ARGV[2])
  redis.call('HSET', KEYS[2], ARGV[2], r .. ':' .. ARGV[3] .. ':' .. m)
end
return 0
`;

/** ARGV: now, id. */
export const GIVE_BACK = `${BEGIN}
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
return 0
`;

/**
 * What others use of the same limit is booked as one entry, which leaves when the limit is whole again.
 * ARGV: now, window, id of the entry, used requests, milliseconds until they are back, used tokens, milliseconds likewise.
 */
export const CORRECT = `${BEGIN}
redis.call('ZREM', KEYS[1], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[3])
local requests, tokens = 0, 0
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local r, t = amounts(entry)
  requests = requests + r
  tokens = tokens + t
end
local foreignRequests = math.max(0, tonumber(ARGV[4]) - requests)
local foreignTokens = math.max(0, tonumber(ARGV[6]) - tokens)
local reset = 0
if foreignRequests > 0 then reset = math.max(reset, tonumber(ARGV[5])) end
if foreignTokens > 0 then reset = math.max(reset, tonumber(ARGV[7])) end
if reset > 0 then
  local window = tonumber(ARGV[2])
  redis.call('ZADD', KEYS[1], now + math.min(reset, window), ARGV[3])
  redis.call('HSET', KEYS[2], ARGV[3], foreignRequests .. ':' .. foreignTokens .. ':0')
  keep(window * 2)
end
return 0
`;

/** ARGV: now, milliseconds. A shorter pause does not end a longer one. */
export const PAUSE = `${BEGIN}
local until_ = now + tonumber(ARGV[2])
if until_ > tonumber(redis.call('GET', KEYS[3]) or '0') then
  redis.call('SET', KEYS[3], until_, 'PX', math.max(1, tonumber(ARGV[2])) * 2)
end
return 0
`;
