-- close: takes entries away from legacy's clock, all or none. Nothing is written until everything has been looked at.
usage('close', 12, 4)
local pipeline, mode, longest, grace = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local not_after, ticks, until_us, clock, by, slack = number(ARGV[5]), ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local proof, installation = ARGV[11], ARGV[12]
local function of(i, at) return ARGV[12 + 4 * (i - 1) + at] end
-- Also what settling needs: an entry that cannot be settled is not closed.
rights('HSET', 'HDEL', 'PERSIST', 'ZADD')

local before, again = {}, 0
for i = 1, COUNT do
  before[i] = switch(i)
  local old = before[i]
  if old and old.state == 'closing' and by ~= '' and old.by == by and not old.heal then again = again + 1 end
end
-- The same operation once more: its first answer was lost on the way.
if again == COUNT then return { 'ok', before[1].closed_at, before[1].fence, 'again' } end

for i = 1, COUNT do
  local old = before[i]
  if old and old.state ~= 'legacy' then
    return { 'held', tostring(i), old.state, old.pipeline, old.closed_at, old.fence, old.by or '' }
  end
end

local now = time()
if not_after and now > not_after then return { 'due', '0', 'not_after', text(now) } end
for i = 1, COUNT do
  local was, expected_meta, last = definition(i), unpacked(of(i, 3)), number(of(i, 4))
  if not was then return { 'changed', tostring(i), 'gone' } end
  if was ~= of(i, 1) then return { 'changed', tostring(i), 'definition' } end
  if meta(i) ~= expected_meta then return { 'changed', tostring(i), 'meta' } end
  if last and last > now + DAY then return { 'denied', tostring(i), 'future' } end
end

-- A gate that was told `shadow` will not ask again. Legacy must have run that tick before it can lose its clock.
local last = number(of(1, 4))
local shadowed = number(redis.call('HGET', claims_key(1), 'shadowed'))
if clock == 'entry' and last and shadowed and shadowed > last + (number(slack) or 0) then
  return { 'due', '1', 'shadowed', text(shadowed) }
end

local members = {}
for i = 1, COUNT do members[i] = entry_key(i) end
local group = cjson.encode(members)
-- One number for all, above each one's own: a switch that was lost began to count anew.
local highest = 0
for i = 1, COUNT do highest = math.max(highest, before[i] and number(before[i].fence) or 0) end
local number_of_close = text(highest + 1)

for i = 1, COUNT do
  local key, old = switch_key(i), before[i]
  local scheduled = redis.call('ZSCORE', SCHEDULE, entry_key(i)) and '1' or '0'
  -- A switch that was lost: what is known of its windows is kept beside the claims.
  if not (old and old.windows) then known_again(i) end
  -- The first write must be one that Redis refuses when its memory is full: once one was done it lets all others pass.
  redis.call('HSET', key, 'v', VERSION, 'state', 'closing', 'fence', number_of_close, 'pipeline', pipeline, 'by', by, 'group', group, 'schedule', SCHEDULE,
    'role', i == 1 and clock == 'entry' and 'driver' or 'absorbed', 'clock', clock, 'scheduled', scheduled,
    'definition', of(i, 1), 'closed_definition', of(i, 2),
    'slack', slack, 'fence_mode', mode, 'longest_tick', longest, 'grace', grace, 'proof', proof, 'installation', installation)
  redis.call('HDEL', key, 'meta', 'parked', 'ticks_left', 'until', 'heal', 'settled_at', 'last_legacy', 'planned', 'redefined_at', 'not_before',
    'gone')
  -- Of those that were told `shadow` from now on it matters which was the first: a switch that is lost is noticed by it. And what
  -- opened an earlier window says nothing of the one that is to come.
  redis.call('HDEL', claims_key(i), 'unowned', 'decided')
  local was = unpacked(of(i, 3))
  if was then redis.call('HSET', key, 'meta', was) end
  if ticks ~= '' then redis.call('HSET', key, 'ticks_left', ticks) end
  if until_us ~= '' then redis.call('HSET', key, 'until', until_us) end
  redis.call('PERSIST', claims_key(i))
  redis.call('HSET', entry_key(i), 'definition', of(i, 2))
end
local at = fence_note(LOCK)
for i = 1, COUNT do redis.call('HSET', switch_key(i), 'first_closed_at', text(at)) end
return { 'ok', text(at), redis.call('HGET', switch_key(1), 'fence') }
