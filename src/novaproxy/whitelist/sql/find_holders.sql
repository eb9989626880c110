-- The plans of the other orders that list the address and are, or may be again, open: by the index of addresses. Asked
-- in a statement of its own behind the address's lock, so that it sees what the one before committed.
SELECT DISTINCT orders.plan_id
FROM whitelist_address
JOIN orders ON orders.id = whitelist_address.order_id
WHERE whitelist_address.address = $1 AND orders.id <> $2
  AND orders.status IN ('active', 'inactive') AND (orders.expires_at IS NULL OR orders.expires_at > clock_timestamp())
