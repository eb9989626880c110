-- Puts another sealed password ($2, under the key $3) on an order that has one, behind its lock; no row where it has none.
-- updated_at stays the time of the last move, as the audit has it; gateways tell by the seal that the password is another.
UPDATE orders
SET password_sealed = $2, sealing_key_id = $3
WHERE uuid = $1 AND username IS NOT NULL
RETURNING username
