-- each account's entries are numbered without a gap, and each balance follows from the one before
SELECT format('account %s, entry %s: balance after %s', entry.account_id, entry.version, entry.balance_after_cents) AS breach
FROM new_transfer AS entry
LEFT JOIN transfer AS before ON before.account_id = entry.account_id AND before.version = entry.version - 1
WHERE entry.version < 1
   OR (entry.version > 1 AND before.id IS NULL)
   OR entry.balance_after_cents <> COALESCE(before.balance_after_cents, 0)
        + CASE WHEN entry.credit_account_id = entry.account_id THEN entry.amount_cents ELSE -entry.amount_cents END
UNION ALL
SELECT format('account %s: two entries %s', entry.account_id, entry.version)
FROM new_transfer AS entry
JOIN transfer AS other ON other.account_id = entry.account_id AND other.version = entry.version
WHERE other.id <> entry.id
UNION ALL
SELECT format('account %s: version %s, %s entries', account.id, account.ledger_version, COALESCE(newest.version, 0))
FROM touched
JOIN account ON account.id = touched.id
LEFT JOIN LATERAL (
    SELECT version FROM transfer WHERE account_id = touched.id ORDER BY version DESC LIMIT 1
) AS newest ON true
WHERE account.kind = 'customer' AND account.ledger_version <> COALESCE(newest.version, 0)
