-- What all scripts share. Whoever loads a script puts this file and a line feed in front of it.
-- Instants are whole microseconds since the epoch; they stay below 2^53, so Lua's numbers hold them exactly.

-- Redis before 5 records what a script did, rather than its text, only when asked; TIME needs that.
if redis.replicate_commands then redis.replicate_commands() end

local COUNT = (#KEYS - 2) / 3
local LOCK, SCHEDULE = KEYS[#KEYS - 1], KEYS[#KEYS]
local VERSION = '1'
local DAY = 86400000000
-- With `every` each tick counts, however late it is asked for: two weeks of an entry that is due each minute.
local MOST_CLAIMS, MOST_CLAIMS_EVERY, MOST_WINDOWS = 1000, 20000, 50
-- A Redis with `appendfsync everysec` that is killed loses no more than it was told in this time.
local DURABLE = 1100000

local function entry_key(i) return KEYS[3 * i - 2] end
local function switch_key(i) return KEYS[3 * i - 1] end
local function claims_key(i) return KEYS[3 * i] end

local function text(us) return string.format('%.0f', us) end

local function number(field) return field and field ~= '' and tonumber(field) or nil end

local function time()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- Bytes that may be absent travel as `=bytes` or `-`: the empty text is a value too.
local function unpacked(argument)
  if string.sub(argument, 1, 1) == '=' then return string.sub(argument, 2) end
  return false
end

local function packed(value) return value and ('=' .. value) or '-' end

-- A switch as a table, or nil. A hash that a later Bailey wrote is refused rather than half understood.
local function switch(i)
  local flat = redis.call('HGETALL', switch_key(i))
  if #flat == 0 then return nil end
  local fields = {}
  for at = 1, #flat, 2 do fields[flat[at]] = flat[at + 1] end
  if fields.v ~= VERSION then
    error('BAILEY the switch ' .. switch_key(i) .. ' has version ' .. tostring(fields.v) .. ', not ' .. VERSION, 0)
  end
  return fields
end

local function exists(i) return redis.call('EXISTS', entry_key(i)) == 1 end
local function definition(i) return redis.call('HGET', entry_key(i), 'definition') end
local function meta(i) return redis.call('HGET', entry_key(i), 'meta') end

-- Windows: a list of { from, until }, the last `until` nil while the window is open.
local function windows_read(stored)
  local list = {}
  for _, pair in ipairs(cjson.decode(stored or '[]')) do
    list[#list + 1] = { tonumber(pair[1]), pair[2] ~= cjson.null and tonumber(pair[2]) or nil }
  end
  return list
end

local function windows_text(list)
  local parts = {}
  for _, window in ipairs(list) do
    parts[#parts + 1] = '["' .. text(window[1]) .. '",' .. (window[2] and ('"' .. text(window[2]) .. '"') or 'null') .. ']'
  end
  return '[' .. table.concat(parts, ',') .. ']'
end

-- Kept beside the claims, too, in the same write: a switch that is lost must not take with it whose the ticks of ended windows are.
local KEPT = { 'windows', 'claims_from', 'last_live_at', 'last_live_run', 'installation' }
local function keep(i)
  for _, name in ipairs(KEPT) do
    local value = redis.call('HGET', switch_key(i), name)
    if value then redis.call('HSET', claims_key(i), name, value) end
  end
end

-- The oldest windows, or spans, go; what lies before them counts as claimed from then on, so no late gate can run it again.
local function trim(i, list)
  while #list > MOST_WINDOWS do
    local oldest = table.remove(list, 1)
    local from = number(redis.call('HGET', switch_key(i), 'claims_from')) or 0
    redis.call('HSET', switch_key(i), 'claims_from', text(math.max(from, oldest[2] - 1)))
  end
end

local function windows_write(i, list)
  trim(i, list)
  redis.call('HSET', switch_key(i), 'windows', windows_text(list))
  keep(i)
end

-- Spans in which legacy ran one entry by itself while its window was open: its clock had been started again, and the others' stood.
-- They lie beside the claims, so that they outlive a switch that is lost.
local function alone_read(i) return windows_read(redis.call('HGET', claims_key(i), 'alone') or '[]') end

local function alone_add(i, from, to)
  local list = alone_read(i)
  list[#list + 1] = { from, to }
  trim(i, list)
  redis.call('HSET', claims_key(i), 'alone', windows_text(list))
  keep(i)
end

-- The last window ends after the newest claim: what it holds beyond is legacy's.
local function windows_end(list, claimed)
  local open = list[#list]
  if not open then return end
  if claimed and claimed >= open[1] then
    open[2] = open[2] and math.min(open[2], claimed + 1) or claimed + 1
  else
    table.remove(list)
  end
end

local function window_of(list, tick)
  for at, window in ipairs(list) do
    if tick >= window[1] and (not window[2] or tick < window[2]) then return at end
  end
  return nil
end

-- The lock's holder and the instant at which it expires, never too early in `latest` and never too late in `earliest`:
-- a clock read twice must not look like an extension.
local function lock_seen(key)
  local before = time()
  local holder = redis.call('GET', key)
  if not holder then return false end
  local exact = redis.pcall('PEXPIRETIME', key)
  if type(exact) == 'number' then
    if exact < 0 then return holder end
    return holder, exact * 1000, exact * 1000
  end
  local left = redis.call('PTTL', key)
  if left < 0 then return holder end
  return holder, before - 1000 + left * 1000, time() + left * 1000
end

-- Writes what the fence of these entries needs, as of now. The lock's name is kept: a caller that knows another one
-- would find nobody holding it, and take that for a lock that was let go of.
local function fence_note(key, before)
  local holder, _, latest = lock_seen(key)
  local now = time()
  -- A fence that begins anew, with another holder than before: who held the lock in between may still fire what it had loaded.
  if before and before.lock_holder and (holder or '') ~= before.lock_holder then
    for i = 1, COUNT do redis.call('HSET', switch_key(i), 'not_before', text(now + number(before.longest_tick))) end
  end
  for i = 1, COUNT do
    redis.call('HSET', switch_key(i), 'closed_at', text(now), 'lock_key', key, 'lock_holder', holder or '',
      'lock_expiry', latest and text(latest) or '')
  end
  return now
end

-- Whether no beat can fire any more what it had loaded before the close; why, or why not; when to ask again, if known.
local function fence(fields)
  local now, closed = time(), number(fields.closed_at)
  local expiry, grace = number(fields.lock_expiry), number(fields.grace) or 0
  local not_before = number(fields.not_before)
  if not_before and now < not_before then return false, 'longest-tick', text(not_before) end
  if fields.fence_mode == 'wait' or fields.lock_holder == '' or not expiry then
    -- No lock to watch, or nobody held it, which may mean that this source keeps none: one longest tick.
    local ends = closed + number(fields.longest_tick)
    if now >= ends then return true, 'waited' end
    return false, 'longest-tick', text(ends)
  end
  local holder, earliest = lock_seen(fields.lock_key)
  if holder == fields.lock_holder then
    -- Beat extends the lock, then loads, then fires, one after another: a later expiry is a tick begun after the close.
    if earliest and earliest > expiry then return true, 'extended' end
    return false, 'extension', ''
  end
  -- Gone or taken before it could expire. A beat that ends lets go of it last of all, but a hand that deletes the lock leaves the same
  -- behind, while beat may still fire what it had loaded: one longest tick.
  if now < expiry - 10000 then
    local ends = closed + number(fields.longest_tick)
    if now >= ends then return true, 'released' end
    return false, 'longest-tick', text(ends)
  end
  -- Expired: its holder is dead, or stalled for longer than its lock.
  if now >= expiry + grace then return true, 'expired' end
  return false, 'grace', text(expiry + grace)
end

-- Redis lets a script that may not run a command fail at that command, after what it has written before. So each script that writes
-- asks first for everything it may need; a Redis before 7 cannot say.
local function rights(...)
  if not redis.acl_check_cmd then return end
  for _, command in ipairs({ ... }) do
    for i = 1, COUNT do
      local may
      if command == 'ZADD' then
        may = redis.acl_check_cmd(command, SCHEDULE, '1', entry_key(i))
      elseif command == 'ZREM' then
        may = redis.acl_check_cmd(command, SCHEDULE, entry_key(i))
      elseif command == 'HSET' then
        may = redis.acl_check_cmd(command, switch_key(i), 'f', 'v') and redis.acl_check_cmd(command, entry_key(i), 'f', 'v')
          and redis.acl_check_cmd(command, claims_key(i), 'f', 'v')
      elseif command == 'CLAIM' then
        may = redis.acl_check_cmd('HSET', switch_key(i), 'f', 'v') and redis.acl_check_cmd('HSET', claims_key(i), 'f', 'v')
      elseif command == 'HDEL' then
        may = redis.acl_check_cmd(command, switch_key(i), 'f') and redis.acl_check_cmd(command, entry_key(i), 'f')
      elseif command == 'DEL' then
        may = redis.acl_check_cmd(command, switch_key(i), claims_key(i))
      elseif command == 'PEXPIRE' then
        may = redis.acl_check_cmd(command, claims_key(i), '1')
      else
        may = redis.acl_check_cmd(command, claims_key(i))
      end
      if not may then
        error({ err = 'NOPERM BAILEY-RIGHTS this Redis user may not ' .. (command == 'CLAIM' and 'HSET' or command) .. ' what lies at '
          .. entry_key(i) .. ' and its switch, so nothing was changed' })
      end
    end
  end
end

-- The newest ticks of claims: numbers, oldest first.
local function claimed_ticks(i)
  local known = {}
  for _, field in ipairs(redis.call('HKEYS', claims_key(i))) do
    local tick = tonumber(field)
    if tick then known[#known + 1] = tick end
  end
  table.sort(known)
  return known
end

-- What is known of a switch that is not there: the windows that have ended, and the newest claim. Nil where nothing was kept.
local function lost_switch(i)
  local known = {}
  for _, name in ipairs(KEPT) do known[name] = redis.call('HGET', claims_key(i), name) or nil end
  if not known.windows then return nil end
  local ticks, list = claimed_ticks(i), windows_read(known.windows)
  windows_end(list, ticks[#ticks])
  known.windows, known.last_claim = windows_text(list), ticks[#ticks] and text(ticks[#ticks])
  -- A gate of before this was kept has trimmed without a word: what is older than all of so many was perhaps run.
  if #ticks >= MOST_CLAIMS then known.claims_from = text(math.max(number(known.claims_from) or 0, ticks[1] - 1)) end
  return known
end

-- Writes what is known of it into the switch.
local function known_again(i)
  for name, value in pairs(lost_switch(i) or { windows = '[]' }) do redis.call('HSET', switch_key(i), name, value) end
end

-- Whether a clock was stopped in the far future, as settling does it.
local function stands(i)
  local read, stored = pcall(cjson.decode, meta(i) or '')
  local at = read and type(stored) == 'table' and stored.last_run_at
  local year = type(at) == 'table' and tonumber(at.year) or 0
  return year >= 2100
end

-- That this Redis user may read what scripts read: a script that is refused in its middle would only tell its own digest and line.
local function readable()
  if not redis.acl_check_cmd then return end
  local function may(command, ...)
    if redis.acl_check_cmd(command, ...) then return end
    error({ err = 'NOPERM BAILEY-RIGHTS this Redis user may not ' .. command .. ' what lies at ' .. entry_key(1)
      .. ', its switch, or the lock and schedule of beat' })
  end
  may('TIME')
  may('GET', LOCK)
  may('PTTL', LOCK)
  for i = 1, COUNT do
    may('ZSCORE', SCHEDULE, entry_key(i))
    may('EXISTS', entry_key(i))
    may('HGET', entry_key(i), 'f')
    may('HGETALL', switch_key(i))
    may('HGET', claims_key(i), 'f')
    may('HKEYS', claims_key(i))
  end
end

local function usage(name, first, each)
  if #ARGV ~= first + each * COUNT or COUNT < 1 or COUNT ~= math.floor(COUNT) then
    error('BAILEY ' .. name .. ' takes ' .. first .. ' arguments and ' .. each .. ' for each of '
      .. tostring(COUNT) .. ' entries, not ' .. #ARGV, 0)
  end
  readable()
end
