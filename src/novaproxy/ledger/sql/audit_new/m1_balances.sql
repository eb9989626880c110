-- a balance equals the sum of its entries, and all ledger accounts together sum to zero
-- By M6 each entry follows from the one before, so the newest says what all sum to; and with two right sides an entry
-- leaves the sum of all accounts as it was.
SELECT format('account %s: balance %s, entries %s', account.id, account.balance_cents,
              COALESCE(newest.balance_after_cents, 0)) AS breach
FROM touched
JOIN account ON account.id = touched.id
LEFT JOIN LATERAL (
    SELECT balance_after_cents FROM transfer WHERE account_id = touched.id ORDER BY version DESC LIMIT 1
) AS newest ON true
WHERE account.kind = 'customer' AND account.balance_cents IS DISTINCT FROM COALESCE(newest.balance_after_cents, 0)
UNION ALL
SELECT format('account %s, entry %s: %s of %s from account %s to %s', account_id, version, kind, amount_cents,
              debit_account_id, credit_account_id)
FROM new_transfer
WHERE amount_cents <= 0
   OR CASE kind WHEN 'credit' THEN debit_account_id <> 2 OR credit_account_id <> account_id
                WHEN 'debit' THEN debit_account_id <> account_id OR credit_account_id <> 3
                WHEN 'charge' THEN debit_account_id <> account_id OR credit_account_id <> 1
                WHEN 'refund' THEN debit_account_id <> 1 OR credit_account_id <> account_id
                ELSE true END
UNION ALL
SELECT format('account %s, entry %s: no account of a customer', new_transfer.account_id, new_transfer.version)
FROM new_transfer
LEFT JOIN account ON account.id = new_transfer.account_id AND account.kind = 'customer'
WHERE account.id IS NULL
