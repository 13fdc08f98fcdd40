SELECT id, title, body, changed_at FROM documents WHERE changed_at >= :since::timestamptz AND changed_at < :until::timestamptz
