-- Moves an order from $2 to $3 and writes the move down; no row where it is in another status. A delivery brings
-- credentials and the end of the order's time ($7..$10) in the same statement: a CHECK ties them to the status.
WITH moved AS (
    UPDATE orders
    SET status = $3, updated_at = $6, username = COALESCE($7, username),
        password_sealed = COALESCE($8, password_sealed), sealing_key_id = COALESCE($9, sealing_key_id),
        expires_at = COALESCE($10, expires_at)
    WHERE id = $1 AND status = $2
    RETURNING id, account_id
)
INSERT INTO order_move (account_id, order_id, from_status, to_status, cause, actor, created_at)
SELECT account_id, id, $2, $3, $4, $5, $6 FROM moved
RETURNING id
