-- an idempotency key has one order of its account at most, and an operator's reference one entry
SELECT format('account %s: key used by order %s and by %s', new_order.account_id, new_order.uuid, other.uuid) AS breach
FROM new_order
JOIN orders AS other ON other.account_id = new_order.account_id AND other.idempotency_key = new_order.idempotency_key
WHERE other.id <> new_order.id
UNION ALL
SELECT format('order %s: a key without its request, or a request without its key', uuid)
FROM new_order
WHERE (idempotency_key IS NULL) <> (request_hash IS NULL)
UNION ALL
SELECT format('account %s: reference %s on entries %s and %s', new_transfer.account_id, new_transfer.reference,
              other.version, new_transfer.version)
FROM new_transfer
JOIN transfer AS other ON other.account_id = new_transfer.account_id AND other.reference = new_transfer.reference
WHERE other.id <> new_transfer.id
