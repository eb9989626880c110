-- an idempotency key has one order of its account at most
SELECT format('account %s: key used by %s orders', account_id, count(*)) AS breach
FROM orders
WHERE idempotency_key IS NOT NULL
GROUP BY account_id, idempotency_key
HAVING count(*) > 1
