-- An order's whitelist, by a unique key: at most as many rows as an order may list.
SELECT address, created_at FROM whitelist_address WHERE order_id = $1 ORDER BY id
