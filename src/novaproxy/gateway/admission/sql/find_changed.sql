-- Those of some orders in use that nothing may pass for any more, or whose sealed password ($2) or end ($3) is not the
-- one that was known. Mostly none. By key alone, also where the plan was made while the shop was small (LIMIT keeps the
-- planner from joining the whole tables); nothing is locked, nobody is waited for.
SELECT found.id, found.uuid, found.account_id, found.plan_id, found.username, found.password_sealed,
       found.sealing_key_id, found.status, found.account_status, false AS is_by_hand, found.is_used_up,
       found.initial_bytes, found.options, found.expires_at, statement_timestamp() AS read_at
FROM unnest($1::bigint[], $2::bytea[], $3::timestamptz[]) AS known (id, password_sealed, expires_at)
CROSS JOIN LATERAL (
    SELECT orders.id, orders.uuid, orders.account_id, orders.plan_id, orders.username, orders.password_sealed,
           orders.sealing_key_id, orders.status, account.status AS account_status,
           COALESCE(meter.consumed_bytes >= meter.initial_bytes, false) AS is_used_up, meter.initial_bytes,
           orders.options, orders.expires_at
    FROM orders
    JOIN account ON account.id = orders.account_id
    JOIN meter ON meter.order_id = orders.id
    WHERE orders.id = known.id
    LIMIT 1
) AS found
WHERE found.status <> 'active'
   OR found.account_status <> 'active'
   OR found.is_used_up
   OR found.password_sealed <> known.password_sealed
   OR found.expires_at IS DISTINCT FROM known.expires_at
