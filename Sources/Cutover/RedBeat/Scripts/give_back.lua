-- give_back: legacy has its clock again, from `closing` or `airflow`, all or none; from `legacy` there is nothing to do.
usage('give_back', 3, 6)
local expected_fence, gone, redefined = ARGV[1], ARGV[2], ARGV[3]
local function of(i, at) return ARGV[3 + 6 * (i - 1) + at] end

rights('HSET', 'HDEL', 'ZADD')

local fields, work = {}, {}
for i = 1, COUNT do
  fields[i] = switch(i)
  if fields[i] and fields[i].state ~= 'legacy' then work[#work + 1] = i end
end
if #work == 0 then return { 'ok', 'nothing' } end

for _, i in ipairs(work) do
  local mine = fields[i]
  -- Its DAG may have lost its gate: given back, both would run its ticks.
  if mine.retiring then return { 'retiring', tostring(i) } end
  if expected_fence ~= '' and mine.fence ~= expected_fence then return { 'changed', tostring(i), 'fence', mine.fence } end
  if (mine.last_claim or '') ~= of(i, 1) then return { 'changed', tostring(i), 'last_claim', mine.last_claim or '' } end
  -- What legacy goes on from was computed from these; somebody may have given back and taken over again since.
  if (mine.last_legacy or '') ~= of(i, 2) then return { 'changed', tostring(i), 'last_legacy', mine.last_legacy or '' } end
  if not exists(i) then
    if gone == 'refuse' then return { 'gone', tostring(i) } end
  else
    local is = definition(i)
    if meta(i) ~= unpacked(of(i, 3)) then return { 'changed', tostring(i), 'meta' } end
    if is and is ~= mine.closed_definition and is ~= mine.definition then
      if redefined ~= 'keep' then return { 'redefined', tostring(i), is } end
      -- What is written in its place was computed from these bytes.
      if is ~= unpacked(of(i, 5)) then return { 'changed', tostring(i), 'definition' } end
    end
  end
end

local now = time()
local reply = { 'ok', text(now) }
for _, i in ipairs(work) do
  local mine, key = fields[i], switch_key(i)
  local fresh = mine.state == 'closing' and not mine.heal
  local here = exists(i)
  if here or gone == 'recreate' then
    local is = definition(i)
    if not is or is == mine.closed_definition then
      redis.call('HSET', entry_key(i), 'definition', mine.definition)
    elseif is ~= mine.definition then
      redis.call('HSET', entry_key(i), 'definition', of(i, 6))
    end
    -- During a first close legacy's meta is its own: a beat may just have written it. `*` leaves what is there.
    local new = of(i, 4)
    if new == '*' or (fresh and here) then
      if not here and mine.meta then redis.call('HSET', entry_key(i), 'meta', mine.meta) end
    elseif new == '-' then
      redis.call('HDEL', entry_key(i), 'meta')
    else
      redis.call('HSET', entry_key(i), 'meta', string.sub(new, 2))
    end
    -- Without this beat never looks at the entry again. One that was not in the schedule never fired, and still does not.
    if mine.scheduled == '1' then redis.call('ZADD', SCHEDULE, text(math.floor(now / 1000000)), entry_key(i)) end
  end
  if not fresh then
    local list = windows_read(mine.windows)
    windows_end(list, number(mine.last_claim))
    windows_write(i, list)
  end
  redis.call('HSET', key, 'state', 'legacy', 'fence', text(number(mine.fence) + 1), 'given_back_at', text(now))
  redis.call('HDEL', key, 'parked', 'heal', 'ticks_left', 'until', 'by', 'bounded_at', 'gone')
  -- It may have got another name: then it is disabled there still.
  if not here and gone ~= 'recreate' then redis.call('HSET', key, 'gone', '1') end
  reply[#reply + 1] = tostring(i) .. (here and '' or ' gone')
end
return reply
