-- Writes who owns a station, unless a newer connection has done so, or another one with the same
-- epoch: after a restore of Postgres an epoch may come twice, and Postgres has to decide.
--
-- KEYS[1]  owner(station_id), a hash: epoch, pod_id, connection_id
-- ARGV[1]  epoch of the connection, a decimal integer
-- ARGV[2]  pod_id
-- ARGV[3]  connection_id
--
-- Returns {claimed, epoch, pod_id}: claimed is 1 or 0; the rest is who owned it before, or who
-- still does, and empty strings where nobody did.
local before = redis.call('HMGET', KEYS[1], 'epoch', 'pod_id', 'connection_id')
local epoch, pod_id, connection_id = before[1] or '', before[2] or '', before[3] or ''
local known, ours = tonumber(epoch), tonumber(ARGV[1])
if known and (known > ours or (known == ours and connection_id ~= ARGV[3])) then
  return {0, epoch, pod_id}
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'pod_id', ARGV[2], 'connection_id', ARGV[3])
return {1, epoch, pod_id}
