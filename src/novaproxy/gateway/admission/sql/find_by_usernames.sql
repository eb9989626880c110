-- The orders of some usernames, a row for each that was asked: an unknown one too, whose row holds the time alone. One
-- index look-up each, also where the plan was made while the shop was small (LIMIT keeps the planner from joining the
-- whole table); nothing is locked, nobody is waited for.
SELECT asked.username AS asked, found.id, found.uuid, found.account_id, found.plan_id, found.username,
       found.password_sealed, found.sealing_key_id, found.status, found.account_status, found.is_by_hand,
       found.is_used_up, found.initial_bytes, found.options, found.expires_at, statement_timestamp() AS read_at,
       clock_timestamp() AS now, newest.id AS revision, newest.created_at AS catalog_applied_at
FROM unnest($1::text[]) AS asked (username)
LEFT JOIN LATERAL (
    SELECT orders.id, orders.uuid, orders.account_id, orders.plan_id, orders.username, orders.password_sealed,
           orders.sealing_key_id, orders.status, account.status AS account_status,
           EXISTS (SELECT FROM order_move WHERE order_id = orders.id AND from_status = 'pending') AS is_by_hand,
           COALESCE(meter.consumed_bytes >= meter.initial_bytes, false) AS is_used_up, meter.initial_bytes,
           orders.options, orders.expires_at
    FROM orders
    JOIN account ON account.id = orders.account_id
    JOIN meter ON meter.order_id = orders.id
    WHERE orders.username = asked.username
    LIMIT 1
) AS found ON true
LEFT JOIN (SELECT id, created_at FROM catalog_revision ORDER BY id DESC LIMIT 1) AS newest ON true
