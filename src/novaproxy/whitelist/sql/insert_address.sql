-- One row, behind the locks of its order and of its address.
INSERT INTO whitelist_address (order_id, account_id, address, created_at)
VALUES ($1, $2, $3, now())
RETURNING address, created_at
