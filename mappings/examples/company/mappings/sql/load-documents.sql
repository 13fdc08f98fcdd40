INSERT INTO mart.documents (id, title, words, changed_at)
SELECT id, title, array_length(string_to_array(trim(body), ' '), 1), changed_at
FROM mart.staged WHERE changed_at >= :since::timestamptz AND changed_at < :until::timestamptz
ON CONFLICT (id) DO UPDATE SET title = excluded.title, words = excluded.words, changed_at = excluded.changed_at
