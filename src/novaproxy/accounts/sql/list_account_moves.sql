-- The moves of one account, oldest first.
SELECT from_status, to_status, cause, actor, created_at FROM account_move WHERE account_id = $1 ORDER BY id
