-- An account behind its lock.
SELECT email, balance_cents FROM account WHERE id = $1
