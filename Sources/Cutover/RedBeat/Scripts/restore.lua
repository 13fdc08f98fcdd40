-- restore: entries whose clock stands and that no switch holds any more: the switch was lost. All or none, and only what is as it was read.
usage('restore', 0, 5)
rights('HSET', 'HDEL', 'PERSIST', 'ZADD')
local function of(i, at) return ARGV[5 * (i - 1) + at] end

local fields = {}
for i = 1, COUNT do
  fields[i] = switch(i)
  -- A switch that is there gives back by itself.
  if fields[i] and fields[i].state ~= 'legacy' then return { 'held', tostring(i), fields[i].state } end
  if definition(i) ~= unpacked(of(i, 1)) then return { 'changed', tostring(i), 'definition' } end
  if meta(i) ~= unpacked(of(i, 2)) then return { 'changed', tostring(i), 'meta' } end
end
local now = time()
for i = 1, COUNT do
  redis.call('HSET', entry_key(i), 'definition', of(i, 3), 'meta', of(i, 4))
  if of(i, 5) == '1' then redis.call('ZADD', SCHEDULE, text(math.floor(now / 1000000)), entry_key(i)) end
  redis.call('HDEL', claims_key(i), 'unowned')
  -- Airflow's windows have ended, and their ticks stay its own: a run may still ask for one.
  if not fields[i] and lost_switch(i) then
    known_again(i)
    redis.call('HSET', switch_key(i), 'v', VERSION, 'state', 'legacy', 'fence', '0', 'given_back_at', text(now))
    redis.call('PERSIST', claims_key(i))
  end
end
return { 'ok', text(now) }
