-- By a unique key; without a lock, as nothing hangs on an address that goes.
DELETE FROM whitelist_address WHERE order_id = $1 AND address = $2 RETURNING id
