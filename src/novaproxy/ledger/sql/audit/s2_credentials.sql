-- credentials are there exactly when the status allows them, and no username is given twice
SELECT format('order %s: %s', uuid, status) AS breach
FROM orders
WHERE CASE WHEN status IN ('awaiting_payment', 'pending', 'invoice_expired')
           THEN num_nonnulls(username, password_sealed, sealing_key_id) <> 0
           WHEN status = 'failed' THEN num_nonnulls(username, password_sealed, sealing_key_id) NOT IN (0, 3)
           ELSE num_nonnulls(username, password_sealed, sealing_key_id) <> 3 END
UNION ALL
SELECT format('username of %s orders', count(*))
FROM orders
WHERE username IS NOT NULL
GROUP BY username
HAVING count(*) > 1
