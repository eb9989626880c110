-- How many passwords each key of the shop seals, oldest key first. A scan of all orders, beside which everything goes on.
SELECT sealing_key.id, sealing_key.fingerprint, sealing_key.created_at, COALESCE(sealed.orders, 0) AS orders
FROM sealing_key
LEFT JOIN (
    SELECT sealing_key_id, count(*) AS orders FROM orders WHERE sealing_key_id IS NOT NULL GROUP BY sealing_key_id
) AS sealed ON sealed.sealing_key_id = sealing_key.id
ORDER BY sealing_key.id
