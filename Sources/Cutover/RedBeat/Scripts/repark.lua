-- repark: something restarted legacy's clock, or wrote a definition anew. Closes the entries again; settle does the rest.
-- Where only definitions were written and every clock is still parked, nothing can have fired: they are closed, no more.
usage('repark', 1, 4)
local expected_fence = ARGV[1]
local function of(i, at) return ARGV[1 + 4 * (i - 1) + at] end

rights('HSET', 'HDEL')

local fields, running, closing = {}, false, 0
for i = 1, COUNT do
  fields[i] = switch(i)
  if not fields[i] then return { 'not-mine', tostring(i), 'missing' } end
  if fields[i].state ~= 'airflow' and fields[i].state ~= 'closing' then
    return { 'not-mine', tostring(i), fields[i].state }
  end
  if fields[i].state == 'closing' then closing = closing + 1 end
end
if fields[1].fence ~= expected_fence then return { 'changed', '1', 'fence', fields[1].fence } end

local rewritten = false
for i = 1, COUNT do
  local was, is = unpacked(of(i, 1)), definition(i)
  if is ~= was then return { 'changed', tostring(i), 'definition' } end
  if meta(i) ~= unpacked(of(i, 3)) then return { 'changed', tostring(i), 'meta' } end
  if is and is ~= fields[i].closed_definition then
    rewritten = true
    -- Nobody planned this definition. While it closes for the first time nothing is lost by giving it back.
    if fields[1].state == 'closing' and not fields[1].heal and is ~= fields[i].definition then return { 'redefined', tostring(i), is } end
  end
  if exists(i) and meta(i) ~= fields[i].parked then running = true end
end
if closing == 0 and not running and not rewritten then return { 'ok', 'parked', fields[1].fence } end
-- A fence that is under way is not begun again for nothing, or two healers would never let it pass.
if closing == COUNT and not rewritten then return { 'ok', 'closing', fields[1].fence } end

for i = 1, COUNT do
  local is = definition(i)
  if is and is ~= fields[i].closed_definition then
    local closed = fields[i].closed_definition
    if is ~= fields[i].definition then
      -- The application changed its entry: giving back must not bring the old one back. It may have loaded Bailey's own `enabled: false`
      -- and saved it with the rest: what is given back is enabled if the entry was.
      closed = of(i, 2)
      if not fields[i].planned then redis.call('HSET', switch_key(i), 'planned', fields[i].definition) end
      redis.call('HSET', switch_key(i), 'definition', of(i, 4), 'closed_definition', closed, 'redefined_at', text(time()))
    end
    redis.call('HSET', entry_key(i), 'definition', closed)
  end
end
if closing == 0 and not running then return { 'ok', 'tidied', fields[1].fence } end

for i = 1, COUNT do
  local key = switch_key(i)
  if fields[i].state == 'airflow' then redis.call('HSET', key, 'heal', '1') end
  redis.call('HSET', key, 'state', 'closing', 'fence', text(number(fields[i].fence) + 1))
end
fence_note(fields[1].lock_key, closing > 0 and fields[1])
return { 'ok', 'closing', redis.call('HGET', switch_key(1), 'fence') }
