-- retire: marks entries that Airflow owns without an end, because their DAG loses its gate: nothing gives them back any more. Or takes the mark away.
usage('retire', 2, 0)
-- Also what finishing needs: what cannot be finished is not begun.
rights('HSET', 'HDEL', 'DEL', 'ZREM')
local expected_fence, way = ARGV[1], ARGV[2]
for i = 1, COUNT do
  local fields = switch(i)
  if not fields or fields.state ~= 'airflow' then return { 'not-mine', tostring(i), fields and fields.state or 'missing' } end
  if i == 1 and fields.fence ~= expected_fence then return { 'changed', '1', 'fence', fields.fence } end
  local list = windows_read(fields.windows)
  if #list > 0 and list[#list][2] then return { 'bounded', tostring(i), text(list[#list][2]) } end
  if exists(i) and meta(i) ~= fields.parked then return { 'unparked', tostring(i), fields.fence } end
end
for i = 1, COUNT do
  if way == 'mark' then
    redis.call('HSET', switch_key(i), 'retiring', '1')
  else
    redis.call('HDEL', switch_key(i), 'retiring')
  end
end
return { 'ok' }
