-- One order of one account, by two unique keys; somebody else's is not found.
SELECT orders.id, orders.uuid, orders.account_id, orders.plan_id, orders.status, orders.gross_cents,
       orders.discount_cents, orders.net_cents, orders.options, orders.username, orders.password_sealed,
       orders.sealing_key_id, orders.expires_at, orders.created_at, orders.updated_at,
       meter.initial_bytes, meter.consumed_bytes, now() AS read_at,
       (SELECT id FROM catalog_revision ORDER BY id DESC LIMIT 1) AS revision,
       (SELECT created_at FROM catalog_revision ORDER BY id DESC LIMIT 1) AS catalog_applied_at
FROM orders
JOIN meter ON meter.order_id = orders.id
WHERE orders.account_id = $1 AND orders.uuid = $2
