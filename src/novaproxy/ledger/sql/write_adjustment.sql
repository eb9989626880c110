-- One credit or debit: the transfer and the balance in one statement, behind the account's lock. The time is read after
-- the wait for it, so that entries stand in the order of their versions. The caller checks that the balance was written.
WITH written AS (
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, reason, reference, actor,
                          version, balance_after_cents, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp())
    RETURNING account_id, version, balance_after_cents
)
UPDATE account
SET balance_cents = written.balance_after_cents, ledger_version = written.version
FROM written
WHERE account.id = written.account_id AND account.ledger_version = written.version - 1
RETURNING account.balance_cents
