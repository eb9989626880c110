-- Locks those of $1 that are still sealed with another key than $2, by id. Nobody is waited for: an order that somebody
-- moves at this moment is looked at again later. Only the rows of orders are locked, for a few milliseconds.
SELECT id, uuid, password_sealed, sealing_key_id
FROM orders
WHERE id = ANY ($1::bigint[]) AND sealing_key_id <> $2
ORDER BY id
FOR NO KEY UPDATE SKIP LOCKED
