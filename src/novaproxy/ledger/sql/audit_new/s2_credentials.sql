-- credentials are there exactly when the status allows them, and no username is given twice
SELECT format('order %s: %s', orders.uuid, orders.status) AS breach
FROM touched_order
JOIN orders ON orders.id = touched_order.id
WHERE CASE WHEN status IN ('awaiting_payment', 'pending', 'invoice_expired')
           THEN num_nonnulls(username, password_sealed, sealing_key_id) <> 0
           WHEN status = 'failed' THEN num_nonnulls(username, password_sealed, sealing_key_id) NOT IN (0, 3)
           ELSE num_nonnulls(username, password_sealed, sealing_key_id) <> 3 END
UNION ALL
SELECT format('username of orders %s and %s', orders.uuid, other.uuid)
FROM touched_order
JOIN orders ON orders.id = touched_order.id
JOIN orders AS other ON other.username = orders.username
WHERE other.id <> orders.id
