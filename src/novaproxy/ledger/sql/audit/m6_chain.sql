-- each account's entries are numbered without a gap, and each balance follows from the one before
SELECT format('account %s, entry %s: balance after %s', account_id, version, balance_after_cents) AS breach
FROM (
    SELECT account_id, version, balance_after_cents,
           CASE WHEN credit_account_id = account_id THEN amount_cents ELSE -amount_cents END AS signed_cents,
           COALESCE(lag(version) OVER by_account, 0) AS version_before,
           COALESCE(lag(balance_after_cents) OVER by_account, 0) AS balance_before_cents
    FROM transfer
    WINDOW by_account AS (PARTITION BY account_id ORDER BY version)
) AS entry
WHERE version <> version_before + 1 OR balance_after_cents <> balance_before_cents + signed_cents
UNION ALL
SELECT format('account %s: version %s, %s entries', account.id, account.ledger_version, COALESCE(entries.newest, 0))
FROM account
LEFT JOIN (SELECT account_id, max(version) AS newest FROM transfer GROUP BY account_id) AS entries
       ON entries.account_id = account.id
WHERE account.kind = 'customer' AND account.ledger_version <> COALESCE(entries.newest, 0)
