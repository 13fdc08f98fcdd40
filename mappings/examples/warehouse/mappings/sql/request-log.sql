SELECT r.id, r.user_id, u.plan, r.at, r.at::date AS day, extract(hour FROM r.at)::int AS hour, r.path, r.status,
    r.status >= 500 AS failed, r.milliseconds, r.milliseconds > 2000 AS slow
FROM requests r LEFT JOIN users u ON u.id = r.user_id
WHERE r.at >= :since::timestamptz AND r.at < :until::timestamptz
