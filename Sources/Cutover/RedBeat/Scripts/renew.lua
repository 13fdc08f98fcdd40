-- renew: moves parked clocks further into the future. For entries whose schedule makes beat count every tick up to there.
usage('renew', 1, 3)
rights('HSET', 'ZADD')
local function of(i, at) return ARGV[1 + 3 * (i - 1) + at] end
for i = 1, COUNT do
  local fields = switch(i)
  if not fields or fields.state ~= 'airflow' then return { 'not-mine', tostring(i), fields and fields.state or 'missing' } end
  if i == 1 and fields.fence ~= ARGV[1] then return { 'changed', '1', 'fence', fields.fence } end
  if fields.parked ~= of(i, 1) then return { 'changed', tostring(i), 'parked' } end
  if exists(i) and meta(i) ~= fields.parked then return { 'unparked', tostring(i), fields.fence } end
end
for i = 1, COUNT do
  redis.call('HSET', switch_key(i), 'parked', of(i, 2))
  if exists(i) then
    redis.call('HSET', entry_key(i), 'meta', of(i, 2))
    redis.call('ZADD', SCHEDULE, 'XX', of(i, 3), entry_key(i))
  end
end
return { 'ok' }
