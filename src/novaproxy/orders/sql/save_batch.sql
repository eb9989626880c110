-- Writes down a whole batch in one statement: orders, meters, charges, balances, counters. Every row of an account was
-- decided under the locks that load_order_batch took, so nothing of it waits here; the guards (the version in the WHERE,
-- the CHECKs, the unique indexes) refuse the batch if that were ever not so. A code may have been used by others since, and
-- its row is waited for here: it counts on from there, within the limit that was decided on. The caller compares the counts
-- with what it decided.
--
-- $1 one element an order, in the order of their decision; $2 and $3 the catalog's revision and the time that they were
-- decided on; $4..$7 one element an account; $8..$10 one an account and plan; $11..$13 one a code, by id (a null limit is
-- none); $14..$16 one an account and code.
WITH ask AS (
    SELECT * FROM unnest($1::written_order[]) WITH ORDINALITY
), placed AS (
    INSERT INTO orders (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
                        discount_code_id, bandwidth_gb, term, options, idempotency_key, request_hash, username,
                        password_sealed, sealing_key_id, expires_at, created_at, updated_at)
    SELECT uuid, account_id, plan_id, $2::integer, status, gross_cents, discount_cents, net_cents,
           discount_code_id, bandwidth_gb, term, options, idempotency_key, request_hash, username,
           password_sealed, sealing_key_id, expires_at, $3::timestamptz, $3::timestamptz
    FROM ask
    ORDER BY ordinality
    RETURNING id, uuid, account_id, bandwidth_gb
), metered AS (
    INSERT INTO meter (order_id, account_id, initial_bytes)
    SELECT id, account_id, bandwidth_gb::bigint * 1073741824 FROM placed
), charged AS (
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, actor,
                          version, balance_after_cents, created_at)
    SELECT ask.account_id, ask.account_id, 1, ask.net_cents, 'charge', placed.id, 'api',
           ask.version, ask.balance_after_cents, $3::timestamptz
    FROM ask
    JOIN placed ON placed.uuid = ask.uuid
    WHERE ask.version IS NOT NULL
    ORDER BY ask.ordinality
    RETURNING 1
), balanced AS (
    UPDATE account
    SET balance_cents = new.balance_cents, ledger_version = new.ledger_version
    FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
      AS new (account_id, version_before, ledger_version, balance_cents)
    WHERE account.id = new.account_id AND account.ledger_version = new.version_before
    RETURNING 1
), counted AS (
    INSERT INTO account_plan (account_id, plan_id, orders)
    SELECT account_id, plan_id, orders
    FROM unnest($8::bigint[], $9::bigint[], $10::bigint[]) AS new (account_id, plan_id, orders)
    ON CONFLICT (account_id, plan_id) DO UPDATE SET orders = account_plan.orders + EXCLUDED.orders
), redeemed AS (
    UPDATE discount_code
    SET uses = discount_code.uses + new.uses
    FROM unnest($11::bigint[], $12::bigint[], $13::bigint[]) AS new (code_id, uses, max_uses)
    WHERE discount_code.id = new.code_id
      AND (new.max_uses IS NULL OR discount_code.uses + new.uses <= new.max_uses)
    RETURNING 1
), redeemed_by_account AS (
    INSERT INTO account_code (account_id, code_id, uses)
    SELECT account_id, code_id, uses
    FROM unnest($14::bigint[], $15::bigint[], $16::bigint[]) AS new (account_id, code_id, uses)
    ON CONFLICT (account_id, code_id) DO UPDATE SET uses = account_code.uses + EXCLUDED.uses
)
SELECT (SELECT count(*) FROM placed) AS orders_placed,
       (SELECT count(*) FROM charged) AS orders_charged,
       (SELECT count(*) FROM balanced) AS accounts_balanced,
       (SELECT count(*) FROM redeemed) AS codes_redeemed
