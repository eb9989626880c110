-- An order behind its lock, and the time after the wait for it.
SELECT id, account_id, status, term, expires_at, clock_timestamp() AS now FROM orders WHERE uuid = $1
