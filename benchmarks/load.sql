-- $1 accounts with a token and a credit of 100,000,000.00 each, with clean books. The token of account n is 'bench-n'.
WITH made AS (
    INSERT INTO account (uuid, kind, email, email_key, name, balance_cents, ledger_version)
    SELECT gen_random_uuid(), 'customer', 'bench' || n || '@example.com', 'bench' || n || '@example.com', 'Bench',
           10000000000, 1
    FROM generate_series(1, $1::integer) AS n
    RETURNING id, email
), credited AS (
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, reason, actor, version,
                          balance_after_cents, created_at)
    SELECT id, 2, id, 10000000000, 'credit', 'benchmark', 'benchmark', 1, 10000000000, now() FROM made
)
INSERT INTO api_token (account_id, name, token_hash)
SELECT id, 'default', sha256(('bench-' || substring(email FROM '[0-9]+'))::bytea) FROM made
