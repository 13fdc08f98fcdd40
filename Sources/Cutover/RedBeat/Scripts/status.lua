-- status: everything there is to show, read at one instant. Writes nothing.
usage('status', 1, 0)
local most = tonumber(ARGV[1])
local holder, expiry = lock_seen(LOCK)
local names = { 'state', 'fence', 'pipeline', 'role', 'clock', 'definition', 'meta', 'closed_definition', 'parked',
  'first_closed_at', 'closed_at', 'settled_at', 'given_back_at', 'windows', 'last_claim', 'last_live_at', 'last_legacy', 'claims_from',
  'ticks_left', 'until', 'heal', 'scheduled', 'by', 'redefined_at', 'slack', 'fence_mode', 'longest_tick', 'grace',
  'lock_key', 'lock_holder', 'lock_expiry', 'group', 'retiring', 'installation', 'planned', 'proof', 'bounded_at' }
local reply = { 'ok', text(time()), packed(holder), packed(expiry and text(expiry)), table.concat(names, ' ') }
for i = 1, COUNT do
  local fields = switch(i) or {}
  for _, name in ipairs(names) do reply[#reply + 1] = packed(fields[name]) end
  local passed, why, ends = false, '', ''
  if fields.state == 'closing' then passed, why, ends = fence(fields) end
  reply[#reply + 1] = passed and 'passed' or ''
  reply[#reply + 1] = why
  reply[#reply + 1] = ends or ''
  reply[#reply + 1] = packed(definition(i))
  reply[#reply + 1] = packed(meta(i))
  reply[#reply + 1] = packed(redis.call('ZSCORE', SCHEDULE, entry_key(i)))
  reply[#reply + 1] = packed(redis.call('HGET', claims_key(i), 'shadowed'))
  reply[#reply + 1] = packed(redis.call('HGET', claims_key(i), 'unowned'))
  reply[#reply + 1] = packed(redis.call('HGET', claims_key(i), 'decided'))
  -- Who asks here, one mark of each installation.
  local marks, known = {}, {}
  local flat = redis.call('HKEYS', claims_key(i))
  for _, field in ipairs(flat) do
    if string.sub(field, 1, 6) == 'asked:' then marks[#marks + 1] = redis.call('HGET', claims_key(i), field) end
    local tick = tonumber(field)
    if tick then known[#known + 1] = tick end
  end
  reply[#reply + 1] = '[' .. table.concat(marks, ',') .. ']'
  -- The newest claims, newest first: each tick, then its record.
  table.sort(known, function(a, b) return a > b end)
  reply[#reply + 1] = tostring(#known)
  local shown = math.min(most, #known)
  reply[#reply + 1] = tostring(shown)
  for at = 1, shown do
    reply[#reply + 1] = text(known[at])
    reply[#reply + 1] = redis.call('HGET', claims_key(i), text(known[at]))
  end
end
return reply
