DELETE FROM mart.exported_days WHERE day = :day::date;
INSERT INTO mart.exported_days (day, users, requests, cost)
SELECT :day::date, u.users, r.requests, c.cost
FROM mart.daily_users u
JOIN mart.daily_requests r ON r.day = u.day
JOIN mart.costs c ON c.day = u.day
WHERE u.day = :day::date - 1
