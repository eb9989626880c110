-- A page of an account's orders, newest first, by key along orders_account_newest: each page is one short statement,
-- however many orders there are. $2 and $3 are the place of the last row seen; $4 null is every status.
-- A status that has run out is filtered as it is shown: past expires_at an order is expired.
SELECT orders.id, orders.uuid, orders.account_id, orders.plan_id, orders.status, orders.gross_cents,
       orders.discount_cents, orders.net_cents, orders.options, orders.username, orders.password_sealed,
       orders.sealing_key_id, orders.expires_at, orders.created_at, orders.updated_at,
       meter.initial_bytes, meter.consumed_bytes, now() AS read_at,
       (SELECT id FROM catalog_revision ORDER BY id DESC LIMIT 1) AS revision,
       (SELECT created_at FROM catalog_revision ORDER BY id DESC LIMIT 1) AS catalog_applied_at
FROM orders
JOIN meter ON meter.order_id = orders.id
WHERE orders.account_id = $1
  AND (orders.created_at, orders.id) < ($2::timestamptz, $3::bigint)
  AND ($4::text IS NULL
       OR $4 = CASE WHEN orders.status IN ('active', 'inactive') AND orders.expires_at <= now()
                    THEN 'expired' ELSE orders.status END)
ORDER BY orders.created_at DESC, orders.id DESC
LIMIT $5
