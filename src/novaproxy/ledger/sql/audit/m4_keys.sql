-- an idempotency key has one order of its account at most, and an operator's reference one entry
SELECT format('account %s: key used by %s orders', account_id, count(*)) AS breach
FROM orders
WHERE idempotency_key IS NOT NULL
GROUP BY account_id, idempotency_key
HAVING count(*) > 1
UNION ALL
SELECT format('order %s: a key without its request, or a request without its key', uuid)
FROM orders
WHERE (idempotency_key IS NULL) <> (request_hash IS NULL)
UNION ALL
SELECT format('account %s: reference %s on %s entries', account_id, reference, count(*))
FROM transfer
WHERE reference IS NOT NULL
GROUP BY account_id, reference
HAVING count(*) > 1
