-- bound: Airflow's window ends after its newest claim, all or none; legacy's clock stays parked. A Redis that then loses its last second forgets
-- the giving back and what legacy has fired since, but not this: the ticks that legacy ran are not Airflow's again.
usage('bound', 0, 1)
-- Also what giving back needs: a window that is ended and not given back is nobody's.
rights('HSET', 'HDEL', 'ZADD')

local fields, work = {}, {}
for i = 1, COUNT do
  fields[i] = switch(i)
  -- During a first close the window is not there yet.
  if fields[i] and (fields[i].state == 'airflow' or fields[i].heal) then work[#work + 1] = i end
end
for _, i in ipairs(work) do
  local mine = fields[i]
  if mine.retiring then return { 'retiring', tostring(i) } end
  if (mine.last_claim or '') ~= ARGV[i] then return { 'changed', tostring(i), 'last_claim', mine.last_claim or '' } end
end

local now = time()
local newest
for _, i in ipairs(work) do
  local mine = fields[i]
  local list, claimed = windows_read(mine.windows), number(mine.last_claim)
  local open, bounded = list[#list], number(mine.bounded_at)
  if open then
    local ends = claimed and claimed >= open[1] and claimed + 1 or open[1]
    if not open[2] or open[2] > ends then
      open[2], bounded = ends, now
      windows_write(i, list)
      redis.call('HSET', switch_key(i), 'bounded_at', text(now))
    end
  end
  if bounded and (not newest or bounded > newest) then newest = bounded end
end
return { 'ok', text(now), newest and text(newest + DURABLE) or '' }
