-- no balance is below zero
-- Nor was it after any entry.
SELECT format('account %s: balance %s', id, balance_cents) AS breach
FROM account
WHERE balance_cents < 0
UNION ALL
SELECT format('account %s, entry %s: balance after %s', account_id, version, balance_after_cents)
FROM transfer
WHERE balance_after_cents < 0
