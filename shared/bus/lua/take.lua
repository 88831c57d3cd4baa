-- Takes one request out of an allowance that refills evenly: the generic cell rate algorithm.
--
-- What is kept is the time at which all of the allowance is there again. By the clock of Redis, so
-- that processes need not agree on the time.
--
-- KEYS[1]  allowance(kind, name), a decimal integer: microseconds since 1970
-- ARGV[1]  microseconds in which one request comes back
-- ARGV[2]  how many there are at most
--
-- Returns {taken, left, retry_us, full_us}: taken is 1 or 0, left how many more are there now,
-- retry_us when the next one is, and full_us when all of them are.
local now_s = redis.call('TIME')
local now = tonumber(now_s[1]) * 1000000 + tonumber(now_s[2])
local interval, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = tonumber(redis.call('GET', KEYS[1]) or '') or now
-- It cannot lie further ahead than an empty allowance takes, unless a clock or a setting changed.
full_at = math.min(math.max(full_at, now), now + interval * most)
local after = full_at + interval
local retry = after - interval * most - now
if retry > 0 then
  return {0, 0, math.ceil(retry), math.ceil(full_at - now)}
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, math.floor(-retry / interval), 0, math.ceil(after - now)}
