/**
 * What is done at a Redis server, all at once each: publishing, reading, ending an epoch.
 *
 * A topic's log is a list of entries, `epoch prev offset id payload`; beside it a hash has the epoch `e` and the last offset
 * `l`. The same text is what is published. Lua's numbers are exact below 2^53.
 */

import { createHash } from "node:crypto";

/** A script and the name that a server knows it by. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

/** The script and its name. */
export function script(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/**
 * KEYS: log, meta, then those that are named. ARGV: channel, size, maxAge, metaTtl, an epoch for a log that is not there,
 * milliseconds since the first attempt or nothing, PUBLISH or SPUBLISH, then for each message its id, its payload, and the
 * number of the key that names it, or 0. Returns 1 and `epoch offset` for each, or 0 where the fate of the first attempt
 * cannot be told.
 */
export const publishScript: Script = script(`
local c, L, M, A = redis.call, KEYS[1], KEYS[2], ARGV
local m = c('HMGET', M, 'e', 'l')
local e, last, out = m[1], tonumber(m[2] or '0'), {1}
if not e then e = A[5] last = 0 c('DEL', L) end
local t = c('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function named(k)
  local v = k ~= '0' and c('GET', KEYS[tonumber(k)])
  return v and string.sub(v, 1, #e + 1) == e .. ' ' and v
end
if A[6] ~= '' then
  local r, at, found, gone = c('LRANGE', L, 0, -1), {}, false, last
  for i = 1, #r do
    local o, id = string.match(r[i], '^%S+ %d+ (%d+) (%S+) ')
    at[id] = o
  end
  if #r > 0 then gone = tonumber(string.match(r[1], '^%S+ (%d+) ')) end
  for i = 8, #A, 3 do found = found or at[A[i]] end
  if found or gone >= (now - A[6]) * 1024 then
    for i = 8, #A, 3 do
      local o = at[A[i]]
      local v = o and e .. ' ' .. o or named(A[i + 2])
      if not v then return {0} end
      out[#out + 1] = v
    end
    return out
  end
end
local off = math.max(last + 1, now * 1024)
for i = 8, #A, 3 do
  local v = named(A[i + 2])
  if not v then
    local o = string.format('%.0f', off)
    local entry = e .. ' ' .. string.format('%.0f', last) .. ' ' .. o .. ' ' .. A[i] .. ' ' .. A[i + 1]
    v = e .. ' ' .. o
    c('RPUSH', L, entry)
    c(A[7], A[1], entry)
    if A[i + 2] ~= '0' then c('SET', KEYS[tonumber(A[i + 2])], v, 'PX', 300000) end
    last = off
    off = off + 1
  end
  out[#out + 1] = v
end
c('LTRIM', L, -A[2], -1)
c('HSET', M, 'e', e, 'l', string.format('%.0f', last))
c('PEXPIRE', L, A[3])
c('PEXPIRE', M, A[4])
return out`);

/**
 * KEYS: log, meta. ARGV: an epoch for a log that is not there, metaTtl, the position's epoch or nothing for the newest
 * entries, its offset, and the limit. Returns the epoch, the last offset and the entries.
 */
export const historyScript: Script = script(`
local c, L, M, A = redis.call, KEYS[1], KEYS[2], ARGV
local m, n = c('HMGET', M, 'e', 'l'), tonumber(A[5])
local e, last = m[1], m[2] or '0'
if not e then e = A[1] last = '0' c('DEL', L) c('HSET', M, 'e', e) end
c('PEXPIRE', M, A[2])
if n == 0 then return {e, last, {}} end
if A[3] == '' then return {e, last, c('LRANGE', L, -n, -1)} end
local since = A[3] == e and tonumber(A[4]) or 0
if tonumber(last) <= since then return {e, last, {}} end
local lo, hi = 0, c('LLEN', L)
while lo < hi do
  local i = math.floor((lo + hi) / 2)
  if tonumber(string.match(c('LINDEX', L, i), '^%S+ %d+ (%d+) ')) > since then hi = i else lo = i + 1 end
end
return {e, last, c('LRANGE', L, lo, lo + n - 1)}`);

/** KEYS: log, meta. ARGV: channel, the epoch to end, another, metaTtl, PUBLISH or SPUBLISH. */
export const endEpochScript: Script = script(`
local c, L, M, A = redis.call, KEYS[1], KEYS[2], ARGV
if c('HGET', M, 'e') ~= A[2] then return 0 end
c('DEL', L)
c('HSET', M, 'e', A[3], 'l', '0')
c('PEXPIRE', M, A[4])
c(A[5], A[1], A[3] .. ' 0 0 - ')
return 1`);
