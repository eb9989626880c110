-- The next $3 orders behind $1 that are sealed with another key than $2, by id; nothing is locked.
SELECT id FROM orders WHERE id > $1 AND sealing_key_id <> $2 ORDER BY id LIMIT $3
