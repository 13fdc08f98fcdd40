SELECT id FROM mart.staged WHERE changed_at >= :since::timestamptz AND changed_at < :until::timestamptz
