-- credentials are there exactly when the status allows them, and no username is given twice
SELECT format('order %s: %s', uuid, status) AS breach
FROM orders
WHERE CASE WHEN status IN ('awaiting_payment', 'pending', 'invoice_expired')
           THEN username IS NOT NULL OR password_sealed IS NOT NULL
           WHEN status = 'failed' THEN (username IS NULL) <> (password_sealed IS NULL)
           ELSE username IS NULL OR password_sealed IS NULL END
UNION ALL
SELECT format('username of %s orders', count(*))
FROM orders
WHERE username IS NOT NULL
GROUP BY username
HAVING count(*) > 1
