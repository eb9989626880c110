-- Moves an account from $2 to $3 and writes the move down, behind its lock; no row where it is in another status. The
-- time is read after the wait, so that moves stand in the order of their ids.
WITH moved AS (
    UPDATE account SET status = $3 WHERE id = $1 AND status = $2 RETURNING id
)
INSERT INTO account_move (account_id, from_status, to_status, cause, actor, created_at)
SELECT id, $2, $3, $4, $5, clock_timestamp() FROM moved
RETURNING id
