-- Forgets who owns a station, if it is still this connection. A late release harms nobody.
--
-- KEYS[1]  owner(station_id), a hash: epoch, pod_id, connection_id
-- ARGV[1]  epoch of the connection
-- ARGV[2]  connection_id
--
-- Returns 1 if it was still ours, else 0.
local now = redis.call('HMGET', KEYS[1], 'epoch', 'connection_id')
if now[1] == ARGV[1] and now[2] == ARGV[2] then
  return redis.call('DEL', KEYS[1])
end
return 0
