-- The orders that list some addresses, the oldest entry first; active ones before others, of which an old shop may have
-- many. An address that nobody lists has a row with the time alone. Nothing is locked, nobody is waited for.
SELECT asked.address AS asked, listing.id, listing.uuid, listing.account_id, listing.plan_id, listing.username,
       listing.password_sealed, listing.sealing_key_id, listing.status, listing.account_status,
       EXISTS (SELECT FROM order_move WHERE order_move.order_id = listing.id AND from_status = 'pending') AS is_by_hand,
       COALESCE(meter.consumed_bytes >= meter.initial_bytes, false) AS is_used_up, meter.initial_bytes, listing.options,
       listing.expires_at, statement_timestamp() AS read_at, clock_timestamp() AS now,
       newest.id AS revision, newest.created_at AS catalog_applied_at
FROM unnest($1::inet[]) AS asked (address)
LEFT JOIN LATERAL (
    SELECT orders.id, orders.uuid, orders.account_id, orders.plan_id, orders.username, orders.password_sealed,
           orders.sealing_key_id, orders.status, account.status AS account_status, orders.options, orders.expires_at,
           whitelist_address.id AS entry_id
    FROM whitelist_address
    JOIN orders ON orders.id = whitelist_address.order_id
    JOIN account ON account.id = orders.account_id
    WHERE whitelist_address.address = asked.address
    ORDER BY orders.status <> 'active', whitelist_address.id
    LIMIT 100
) AS listing ON true
LEFT JOIN meter ON meter.order_id = listing.id
LEFT JOIN (SELECT id, created_at FROM catalog_revision ORDER BY id DESC LIMIT 1) AS newest ON true
ORDER BY listing.status <> 'active', listing.entry_id
