-- The moves of one order, oldest first.
SELECT from_status, to_status, cause, actor, created_at FROM order_move WHERE order_id = $1 ORDER BY id
