-- The order whose whitelist is asked for, by a unique key; null $2 is the operator, to whom all orders belong. The time
-- is one after the wait for the order's lock, where there was one.
SELECT id, account_id, plan_id, status, expires_at, clock_timestamp() AS now
FROM orders
WHERE uuid = $1 AND ($2::bigint IS NULL OR account_id = $2)
