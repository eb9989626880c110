-- Locks a discount code, after the account and before the order; a null is none.
SELECT id FROM discount_code WHERE id = $1 FOR NO KEY UPDATE
