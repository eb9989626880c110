-- The seeded accounts that may order, oldest first.
SELECT id FROM account WHERE kind = 'customer' AND status = 'active' AND email_key LIKE $1 ORDER BY id
