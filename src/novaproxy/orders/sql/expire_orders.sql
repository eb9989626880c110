-- Moves up to $1 orders whose time has passed, the longest past first, along orders_running_out. Nobody is waited for:
-- an order that somebody moves at this moment is looked at again next time.
WITH due AS (
    SELECT id, status
    FROM orders
    WHERE status IN ('active', 'inactive') AND expires_at IS NOT NULL AND expires_at <= now()
    ORDER BY expires_at
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
), moved AS (
    UPDATE orders
    SET status = 'expired', updated_at = now()
    FROM due
    WHERE orders.id = due.id
    RETURNING orders.id, orders.account_id, due.status AS from_status
)
INSERT INTO order_move (account_id, order_id, from_status, to_status, cause, actor, created_at)
SELECT account_id, id, from_status, 'expired', $2, $3, now() FROM moved
RETURNING id
