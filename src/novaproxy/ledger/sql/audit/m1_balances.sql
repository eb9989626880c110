-- a balance equals the sum of its entries, and all ledger accounts together sum to zero
SELECT format('account %s: balance %s, entries %s', account.id, account.balance_cents, COALESCE(entries.cents, 0)) AS breach
FROM account
LEFT JOIN (
    SELECT account_id,
           sum(CASE WHEN credit_account_id = account_id THEN amount_cents ELSE -amount_cents END) AS cents
    FROM transfer
    GROUP BY account_id
) AS entries ON entries.account_id = account.id
WHERE account.kind = 'customer' AND account.balance_cents IS DISTINCT FROM COALESCE(entries.cents, 0)
UNION ALL
SELECT format('all accounts together: %s', total.cents)
FROM (
    SELECT (SELECT COALESCE(sum(balance_cents), 0) FROM account WHERE kind = 'customer')
         + COALESCE(sum(CASE WHEN credit_account_id <= 1000 THEN amount_cents ELSE 0 END), 0)
         - COALESCE(sum(CASE WHEN debit_account_id <= 1000 THEN amount_cents ELSE 0 END), 0) AS cents
    FROM transfer
) AS total
WHERE total.cents <> 0
UNION ALL
-- A wrong account of the house's leaves the sums as they are.
SELECT format('account %s, entry %s: %s of %s from account %s to %s', account_id, version, kind, amount_cents,
              debit_account_id, credit_account_id)
FROM transfer
WHERE amount_cents <= 0
   OR CASE kind WHEN 'credit' THEN debit_account_id <> 2 OR credit_account_id <> account_id
                WHEN 'debit' THEN debit_account_id <> account_id OR credit_account_id <> 3
                WHEN 'charge' THEN debit_account_id <> account_id OR credit_account_id <> 1
                WHEN 'refund' THEN debit_account_id <> 1 OR credit_account_id <> account_id
                ELSE true END
UNION ALL
SELECT format('account %s, entry %s: no account of a customer', transfer.account_id, transfer.version)
FROM transfer
LEFT JOIN account ON account.id = transfer.account_id AND account.kind = 'customer'
WHERE account.id IS NULL
