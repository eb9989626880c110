-- no balance is below zero
SELECT format('account %s: balance %s', id, balance_cents) AS breach
FROM account
WHERE balance_cents < 0
