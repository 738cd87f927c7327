/**
 * A lane is a log of what was asked for in the last window: a sorted set of entries by the time at which they leave it, and a
 * hash with what each counts, as `requests:tokens:images`, and their sum. Entries are bounded by the limits themselves. Beside
 * the log stands a pace (GCRA, https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm): the time at which all that was reserved
 * would have been used up at an even rate. Every script runs on the time of Redis, or on the one that a test passes in its place.
 * The client sends a script again when the connection breaks before its answer, so each may run twice with the effect of once.
 *
 * KEYS: entries, amounts, pause, pace. ARGV[1]: milliseconds, or an empty text for the time of Redis. ARGV[2]: the window.
 * ARGV[3] to ARGV[5]: requests, tokens and images allowed in it.
 */
const BEGIN = `
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local window = tonumber(ARGV[2])
local allowed = { tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]) }

local function amounts(entry)
  local r, t, i = string.match(redis.call('HGET', KEYS[2], entry) or '0:0:0', '^(%d+):(%d+):(%d+)$')
  return { tonumber(r), tonumber(t), tonumber(i) }
end
local function format(counts)
  return string.format('%.0f:%.0f:%.0f', counts[1], counts[2], counts[3])
end
local sum = amounts('sum')
local function count(counts, sign)
  for i = 1, 3 do sum[i] = math.max(0, sum[i] + sign * counts[i]) end
end
local function remove(entry)
  count(amounts(entry), -1)
  redis.call('ZREM', KEYS[1], entry)
  redis.call('HDEL', KEYS[2], entry)
end
local function put(entry, leaves, counts)
  count(counts, 1)
  redis.call('ZADD', KEYS[1], leaves, entry)
  redis.call('HSET', KEYS[2], entry, format(counts))
end
-- Of the window, as much as these counts use of the limit that they use most of.
local function share(counts)
  return window * math.max(counts[1] / allowed[1], counts[2] / allowed[2], counts[3] / allowed[3])
end
local function pace() return tonumber(redis.call('GET', KEYS[4]) or '0') end
local function setPace(time)
  redis.call('SET', KEYS[4], string.format('%.0f', time), 'PX', window * 2)
end
local function finish(answer)
  redis.call('HSET', KEYS[2], 'sum', format(sum))
  redis.call('PEXPIRE', KEYS[1], window * 2)
  redis.call('PEXPIRE', KEYS[2], window * 2)
  return answer
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do remove(entry) end
-- No time lies further ahead than a window: what does was written before the clock of Redis went back.
if pace() > now + window then setPace(now + window) end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now + window), '+inf')) do
  redis.call('ZADD', KEYS[1], now + window, entry)
end
if redis.call('ZCARD', KEYS[1]) == 0 then sum = { 0, 0, 0 } end
`;

/** Entries that are looked at to tell how long to wait. */
const MOST_LOOKED_AT = 1_000;

/**
 * ARGV[6]: id, ARGV[7]: tokens wanted, ARGV[8]: how much may be asked for at once, in milliseconds of the even rate.
 * Answers 0 when it is reserved, else how many milliseconds to wait.
 */
export const RESERVE = `${BEGIN}
if redis.call('ZSCORE', KEYS[1], ARGV[6]) then return finish(0) end
local rest = tonumber(redis.call('GET', KEYS[3]) or '0') - now
if rest > 0 then return finish(rest) end
local wanted = { 1, tonumber(ARGV[7]), 1 }
local function fits(counts)
  for i = 1, 3 do if counts[i] + wanted[i] > allowed[i] then return false end end
  return true
end
local early = pace() - tonumber(ARGV[8]) - now
if fits(sum) and early <= 0 then
  put(ARGV[6], now + window, wanted)
  setPace(math.max(pace(), now) + share(wanted))
  return finish(0)
end
local wait = math.max(1, early)
if fits(sum) then return finish(math.ceil(wait)) end
local left = { sum[1], sum[2], sum[3] }
local entries = redis.call('ZRANGE', KEYS[1], 0, ${MOST_LOOKED_AT} - 1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local counts = amounts(entries[i])
  for j = 1, 3 do left[j] = left[j] - counts[j] end
  wait = math.max(wait, tonumber(entries[i + 1]) - now)
  if fits(left) then break end
end
return finish(math.ceil(wait))
`;

/** ARGV[6]: id, ARGV[7]: tokens. An entry that has left the window stays out. */
export const SETTLE = `${BEGIN}
local leaves = redis.call('ZSCORE', KEYS[1], ARGV[6])
if leaves then
  local before = amounts(ARGV[6])
  local after = { before[1], tonumber(ARGV[7]), before[3] }
  remove(ARGV[6])
  put(ARGV[6], leaves, after)
  setPace(pace() - share(before) + share(after))
end
return finish(0)
`;

/** ARGV[6]: id. */
export const GIVE_BACK = `${BEGIN}
if redis.call('ZSCORE', KEYS[1], ARGV[6]) then
  setPace(pace() - share(amounts(ARGV[6])))
  remove(ARGV[6])
end
return finish(0)
`;

/**
 * What others use of the same limit is booked as one entry, which leaves when the limit is whole again.
 * ARGV[6]: id of the entry, ARGV[7], ARGV[8]: used requests and milliseconds until they are back, ARGV[9], ARGV[10]: tokens likewise.
 */
export const CORRECT = `${BEGIN}
remove(ARGV[6])
local requests = math.max(0, tonumber(ARGV[7]) - sum[1])
local tokens = math.max(0, tonumber(ARGV[9]) - sum[2])
local reset = 0
if requests > 0 then reset = math.max(reset, tonumber(ARGV[8])) end
if tokens > 0 then reset = math.max(reset, tonumber(ARGV[10])) end
if reset > 0 then put(ARGV[6], now + math.min(reset, window), { requests, tokens, 0 }) end
return finish(0)
`;

/**
 * ARGV[6]: milliseconds. A shorter pause does not end a longer one. Answers 1 when it begins a rest, or makes it more than twice
 * as long as what was left of it.
 */
export const PAUSE = `${BEGIN}
local wanted = tonumber(ARGV[6])
local left = math.max(0, tonumber(redis.call('GET', KEYS[3]) or '0') - now)
if wanted <= left then return finish(0) end
redis.call('SET', KEYS[3], string.format('%.0f', now + wanted), 'PX', math.max(1, wanted))
return finish(wanted > 2 * left and 1 or 0)
`;
