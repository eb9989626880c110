-- The order whose usage is asked for, by a unique key; null $2 is the operator, to whom all orders belong.
SELECT id, created_at, now() AS read_at FROM orders WHERE uuid = $1 AND ($2::bigint IS NULL OR account_id = $2)
