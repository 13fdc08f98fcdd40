-- finish: the bridge is taken away. Removes switches and claims of entries that Airflow owns without an end.
usage('finish', 2, 1)
rights('DEL', 'ZREM')
local expected_fence, entries = ARGV[1], ARGV[2]
for i = 1, COUNT do
  local fields = switch(i)
  if not fields or fields.state ~= 'airflow' then return { 'not-mine', tostring(i), fields and fields.state or 'missing' } end
  if i == 1 and fields.fence ~= expected_fence then return { 'changed', '1', 'fence', fields.fence } end
  -- Without the mark a rollback could come between the DAG that lost its gate and this.
  if not fields.retiring then return { 'unmarked', tostring(i) } end
  local list = windows_read(fields.windows)
  if #list > 0 and list[#list][2] then return { 'bounded', tostring(i), text(list[#list][2]) } end
  if exists(i) then
    if definition(i) ~= unpacked(ARGV[2 + i]) then return { 'changed', tostring(i), 'definition' } end
    if meta(i) ~= fields.parked then return { 'unparked', tostring(i), fields.fence } end
  end
end
for i = 1, COUNT do
  redis.call('DEL', switch_key(i), claims_key(i))
  if entries == 'delete' then
    redis.call('ZREM', SCHEDULE, entry_key(i))
    redis.call('DEL', entry_key(i))
  end
end
return { 'ok' }
