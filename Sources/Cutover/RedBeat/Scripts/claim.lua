-- claim: the gate. Says who owns a tick and, if Airflow does, gives it to this run; the same run is told the same again.
-- The first entry decides; the others go with it. Where legacy ran some of them by itself at this tick, the run is without those, and the
-- first of the rest decides.
usage('claim', 7, 0)
local tick, run, policy, late_after = number(ARGV[1]), ARGV[2], ARGV[3], number(ARGV[4])
-- When the run began, by the clock that ticks come from: lateness is a difference within one clock. Redis's own may be ahead of it.
local now, began, installation, once = time(), number(ARGV[5]), ARGV[6], ARGV[7] == 'once'
-- A tick that was asked for so soon was not missed, whatever ran late before it.
local PUNCTUAL = 1000000
rights('CLAIM', 'HDEL', 'HLEN')
-- A claim of a far tick would make legacy, when it has its clock back, skip all ticks before it.
if tick > now + 60000000 then return { 'denied', 'future', text(now) } end

local lead = switch(1)

-- The mark: this place was asked, by whom, and when. A switch that nobody asks is noticed by its absence.
do
  local mark = '{"tick":"' .. text(tick) .. '","run":' .. cjson.encode(run) .. ',"at":"' .. text(now) .. '","by":'
    .. cjson.encode(installation) .. '}'
  local field = 'asked:' .. installation
  local old = redis.call('HGET', claims_key(1), field)
  old = old and tonumber(cjson.decode(old).tick)
  -- A backfill asks for old ticks; the newest is what tells whether gates ask.
  if not old or tick >= old then redis.call('HSET', claims_key(1), field, mark) end
  -- Installations come and go: of each there is one mark, and none that is older than 90 days.
  if not old then
    for _, name in ipairs(redis.call('HKEYS', claims_key(1))) do
      if string.sub(name, 1, 6) == 'asked:' then
        local at = tonumber(cjson.decode(redis.call('HGET', claims_key(1), name)).at)
        if at and at < now - 90 * DAY then redis.call('HDEL', claims_key(1), name) end
      end
    end
  end
  -- A pipeline that is never cut over leaves nothing behind.
  if not lead then redis.pcall('PEXPIRE', claims_key(1), text(90 * DAY / 1000)) end
end

local apart, names, first = {}, {}, 1
for i = 1, COUNT do
  apart[i] = COUNT > 1 and window_of(alone_read(i), tick) ~= nil
  if apart[i] then names[#names + 1] = tostring(i) end
end
while first <= COUNT and apart[first] do first = first + 1 end
-- All of them were legacy's: then it is a tick of legacy's like any other.
if first > COUNT then first = 1 end
local without = table.concat(names, ' ')

local function shadow(why, ended)
  local shadowed = number(redis.call('HGET', claims_key(1), 'shadowed'))
  if not shadowed or tick > shadowed then
    redis.call('HSET', claims_key(1), 'shadowed', text(tick))
  end
  if not lead and not redis.call('HGET', claims_key(1), 'unowned') then
    redis.call('HSET', claims_key(1), 'unowned', text(tick))
  end
  return { 'shadow', why, ended and 'ended' or '', lead and lead.fence or '' }
end

local recorded = redis.call('HGET', claims_key(first), text(tick))
if recorded then
  local claim = cjson.decode(recorded)
  -- Two installations of Airflow give the runs of one DAG the same ids. So does one whose database was put back from an older copy: it makes runs
  -- anew of which it has forgotten that they ran, and those begin later than the run that claimed.
  local mine = claim.run == run and (not claim.by or claim.by == installation)
  local anew = mine and once and claim.began and began > tonumber(claim.began)
  if mine and not anew then
    -- The last tick of a bounded window once more: whoever was to give back may have died before it did.
    local over = lead and lead.state == 'airflow' and lead.ticks_left == '0'
    -- A claim outlives its switch: whoever starts legacy's clock again after the switch was lost goes on after the newest claim.
    return { claim.how, 'again', over and 'ended' or '', lead and lead.fence or '0', without, claim.into or '' }
  end
  return { 'skip', claim.run, claim.how, text(claim.at), anew and 'anew' or '' }
end
-- Absence never means go. But what lies in a window that had ended when the switch was lost is legacy's no more: it went on after that.
local own = first == 1 and lead or switch(first)
local known = own or lost_switch(first) or { windows = '[]' }
local from = number(known.claims_from)
if from and tick <= from then return { 'skip', '', 'trimmed', '', '' } end

local list = windows_read(known.windows)
local at = window_of(list, tick)
local current = own and at and at == #list
local ends_at = #list > 0 and list[#list][2]
if not at then
  if not lead or lead.state == 'legacy' then
    -- Legacy's clock stands and no switch says why, or only others of the group have one: nobody runs this tick, and `shadow` would be the
    -- last word on it.
    for i = 1, COUNT do
      local fields = switch(i)
      if fields and fields.state ~= 'legacy' or stands(i) then
        if not lead and not redis.call('HGET', claims_key(1), 'unowned') then
          redis.call('HSET', claims_key(1), 'unowned', text(tick))
        end
        return { 'lost', tostring(i), entry_key(i) }
      end
    end
  end
  if not lead then return shadow('no-switch') end
  if lead.state == 'closing' and not lead.heal then return { 'closing', lead.closed_at, lead.fence } end
  -- A rollback that has just bounded the window gives back itself, once that cannot be forgotten any more.
  local sure = now >= (number(lead.bounded_at) or 0) + DURABLE
  return shadow('not-ours', lead.state == 'airflow' and ends_at and tick >= ends_at and sure)
end
if current and lead.state == 'closing' and lead.heal then return { 'closing', lead.closed_at, lead.fence } end

local named = known.installation or ''
if named ~= '' and installation ~= named then return { 'shadow', 'other-installation', '', lead and lead.fence or '' } end

local note = ''
if current and lead.state == 'airflow' then
  for i = 1, COUNT do
    local fields = i == 1 and lead or switch(i)
    if not fields or fields.state ~= 'airflow' then
      return { 'mixed', tostring(i), fields and fields.state or 'missing' }
    end
    -- An entry that is gone cannot fire; one that is there with other bytes has its clock running.
    if not exists(i) then
      note = 'gone'
    elseif meta(i) ~= fields.parked then
      return { 'unparked', tostring(i), lead.fence }
    end
  end
end

-- As beat does: a run that begins late stands for every tick that was due when it began.
local how = 'live'
local live_at = number(known.last_live_at)
if policy == 'coalesce' and live_at and tick <= live_at and began - tick > PUNCTUAL then how = 'coalesced' end
if policy == 'none' and late_after and began - tick > late_after then how = 'dropped' end

-- The live run that stands for this tick: who waits for the tick waits for that one.
local into = how == 'coalesced' and known.last_live_run or ''
local record = '{"run":' .. cjson.encode(run) .. ',"at":' .. text(now) .. ',"how":"' .. how .. '","by":' .. cjson.encode(installation)
  .. ',"began":"' .. text(began) .. '"' .. (into ~= '' and ',"into":' .. cjson.encode(into) or '') .. '}'
-- Of two live runs the one that began last is the one that stands for what was due before.
local function lives(key)
  redis.call('HSET', key, 'last_live_at', text(math.max(live_at or 0, began)))
  if began >= (live_at or 0) then redis.call('HSET', key, 'last_live_run', run) end
end
local most = policy == 'every' and MOST_CLAIMS_EVERY or MOST_CLAIMS
local ended = ''
for i = 1, COUNT do
  local fields = i == 1 and lead or switch(i)
  if not apart[i] then redis.call('HSET', claims_key(i), text(tick), record) end
  if apart[i] then
    -- Legacy has run it, and goes on from there.
  elseif not fields then
    if how == 'live' then lives(claims_key(i)) end
  else
    local key, last = switch_key(i), math.max(number(fields.last_claim) or 0, tick)
    redis.call('HSET', key, 'last_claim', text(last))
    if how == 'live' then lives(key) end
    if named == '' and installation ~= '' then redis.call('HSET', key, 'installation', installation) end
    local left = number(fields.ticks_left)
    if current and fields.state == 'airflow' and left and left > 0 then
      redis.call('HSET', key, 'ticks_left', text(left - 1))
      if left == 1 then
        local own = windows_read(fields.windows)
        own[#own][2] = math.max(own[#own][1], last + 1)
        windows_write(i, own)
        ended = 'ended'
      end
    end
    if redis.call('HLEN', claims_key(i)) > most + most / 10 then
      local known = claimed_ticks(i)
      for place = 1, #known - most do redis.call('HDEL', claims_key(i), text(known[place])) end
      local trimmed = known[#known - most]
      if trimmed then redis.call('HSET', key, 'claims_from', text(math.max(number(fields.claims_from) or 0, trimmed))) end
    end
    keep(i)
  end
end
return { how, note, ended, lead and lead.fence or '0', without, into }
