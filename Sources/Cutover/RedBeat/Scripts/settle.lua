-- settle: once the fence has passed, fixes the first tick of Airflow's window and parks legacy's clock, all or none.
usage('settle', 2, 4)
local expected_fence, gone = ARGV[1], ARGV[2]
local function of(i, at) return ARGV[2 + 4 * (i - 1) + at] end

rights('HSET', 'HDEL', 'ZADD')

local fields, closing = {}, 0
for i = 1, COUNT do
  fields[i] = switch(i)
  if not fields[i] then return { 'not-closing', tostring(i), 'missing' } end
  if fields[i].state == 'closing' then closing = closing + 1 end
end
for i = 1, COUNT do
  if closing == 0 and fields[i].state == 'airflow' then
    if i == COUNT then return { 'ok', fields[1].settled_at, 'already' } end
  elseif fields[i].state ~= 'closing' then
    return { 'not-closing', tostring(i), fields[i].state }
  end
end
if fields[1].fence ~= expected_fence then return { 'changed', '1', 'fence', fields[1].fence } end

local passed, why, ends = fence(fields[1])
if not passed then return { 'waiting', why, ends } end

-- Nobody was seen to hold beat's lock and to go on, and none of beat's fires showed before the close that it drives these entries: whatever
-- fires them is perhaps another scheduler, which no parked clock stops.
if not fields[1].heal and fields[1].proof == '' and (why == 'waited' or why == 'expired') then return { 'undriven', why } end

-- A beat that starts writes static entries anew, enabled: the beat that leads may have loaded one since. Close it again.
local reopened
for i = 1, COUNT do
  local is = definition(i)
  if not is then
    if gone ~= 'accept' then return { 'gone', tostring(i) } end
  elseif is ~= fields[i].closed_definition then
    if is ~= fields[i].definition then return { 'redefined', tostring(i), is } end
    reopened = reopened or i
  end
end
if reopened then
  for i = 1, COUNT do
    if definition(i) then redis.call('HSET', entry_key(i), 'definition', fields[i].closed_definition) end
  end
  fence_note(fields[1].lock_key, fields[1])
  return { 'reopened', tostring(reopened) }
end

local now, moved = time(), 0
for i = 1, COUNT do
  local is, last = meta(i), number(of(i, 2))
  if is ~= unpacked(of(i, 1)) then return { 'changed', tostring(i), 'meta' } end
  if last and last > now + DAY then return { 'denied', tostring(i), 'future' } end
  if exists(i) and is ~= (fields[i].meta or false) then moved = moved + 1 end
end
-- Legacy fired one entry after the close and not another. Undo: beat then fires the other, and all are level again.
if not fields[1].heal and moved > 0 and moved < COUNT then return { 'uneven', text(moved) } end

local reply = { 'ok', text(now), why }
for i = 1, COUNT do
  local key, is, here = switch_key(i), meta(i), exists(i)
  local list = windows_read(fields[i].windows)
  local last, stop = number(of(i, 2)), number(fields[i]['until'])
  local claimed = number(fields[i].last_claim)
  local slack = number(fields[i].slack) or 0
  if not fields[i].heal then
    local asked = number(fields[i].first_closed_at)
    -- A pipeline with a schedule of its own begins at the close: legacy has no tick that it could follow.
    local from = (fields[i].clock == 'own' and asked or last and last + slack or asked) + 1
    list[#list + 1] = { from, stop and math.max(stop, from) or nil }
    redis.call('HSET', key, 'last_legacy', text(last or asked))
  elseif last and #list > 0 and fields[i].clock == 'entry' then
    -- Legacy's clock ran for a while inside the window. What it fired is its own; what was claimed before stays claimed.
    local open = list[#list]
    local kept = claimed and claimed >= open[1] and claimed + 1 or open[1]
    if last >= kept then
      local ends_at = open[2]
      if kept > open[1] then open[2] = kept else table.remove(list) end
      local from = last + slack + 1
      list[#list + 1] = { from, ends_at and math.max(ends_at, from) or nil }
      alone_add(i, kept, from)
      redis.call('HSET', key, 'last_legacy', text(last))
    end
  end
  windows_write(i, list)
  -- Beside the claims, which outlive a switch that is lost: that they are whole since then, and what legacy goes on from if there is none.
  redis.call('HSET', claims_key(i), 'decided', redis.call('HGET', key, 'last_legacy'))
  -- What give_back starts from: what legacy itself last wrote, never the parked bytes.
  if here and is ~= fields[i].parked then
    if is then redis.call('HSET', key, 'meta', is) else redis.call('HDEL', key, 'meta') end
  end
  redis.call('HSET', key, 'state', 'airflow', 'settled_at', text(now), 'parked', of(i, 3))
  redis.call('HDEL', key, 'heal', 'not_before')
  if here then
    redis.call('HSET', entry_key(i), 'meta', of(i, 3))
    redis.call('ZADD', SCHEDULE, 'XX', of(i, 4), entry_key(i))
  end
  reply[#reply + 1] = text(list[#list][1])
end
return reply
