-- Orders of the whole shop, newest first by id: for the operator. A null parameter filters nothing; $1 is a status as it
-- is shown now, $2 the statuses as stored that can be shown so (pending orders have an index of their own).
SELECT orders.id, orders.uuid, account.email AS account_email, plan.slug AS plan_slug, orders.status,
       orders.gross_cents, orders.discount_cents, orders.net_cents, discount_code.code AS discount_code,
       orders.bandwidth_gb, orders.term, orders.options, orders.catalog_revision, orders.idempotency_key,
       orders.username, orders.password_sealed, orders.sealing_key_id, meter.initial_bytes, meter.consumed_bytes,
       orders.expires_at, orders.created_at, orders.updated_at, now() AS read_at
FROM orders
JOIN account ON account.id = orders.account_id
JOIN plan ON plan.id = orders.plan_id
JOIN meter ON meter.order_id = orders.id
LEFT JOIN discount_code ON discount_code.id = orders.discount_code_id
WHERE ($2::text[] IS NULL OR orders.status = ANY ($2))
  AND ($1::text IS NULL
       OR $1 = CASE WHEN orders.status IN ('active', 'inactive') AND orders.expires_at <= now()
                    THEN 'expired' ELSE orders.status END)
  AND ($3::bigint IS NULL OR orders.account_id = $3)
  AND ($4::uuid IS NULL OR orders.uuid = $4)
  AND ($5::bigint IS NULL OR orders.id < $5)
  AND ($7::bigint IS NULL OR orders.plan_id = $7)
ORDER BY orders.id DESC
LIMIT $6
