-- Writes down a whole batch in one statement: orders, meters, charges, balances, counters. Every row was decided under
-- the locks that load_order_batch took, so nothing here waits; the guards (the version in the WHERE, the CHECKs, the
-- unique indexes) refuse the batch if that were ever not so. The caller compares the counts with what it decided.
--
-- $1..$21 one element an order, in the order of their decision; $22..$25 one an account; $26..$28 one an account and
-- plan; $29..$30 one a code; $31..$33 one an account and code.
WITH ask AS (
    SELECT *
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::bigint[], $7::bigint[],
                $8::bigint[], $9::bigint[], $10::integer[], $11::text[], $12::text[], $13::text[], $14::bytea[],
                $15::text[], $16::bytea[], $17::smallint[], $18::timestamptz[], $19::bigint[], $20::bigint[],
                $21::timestamptz[])
         WITH ORDINALITY
      AS ask (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
              discount_code_id, bandwidth_gb, term, options, idempotency_key, request_hash, username, password_sealed,
              sealing_key_id, expires_at, version, balance_after_cents, decided_at, place)
), placed AS (
    INSERT INTO orders (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
                        discount_code_id, bandwidth_gb, term, options, idempotency_key, request_hash, username,
                        password_sealed, sealing_key_id, expires_at, created_at, updated_at)
    SELECT uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
           discount_code_id, bandwidth_gb, term, options::json, idempotency_key, request_hash, username,
           password_sealed, sealing_key_id, expires_at, decided_at, decided_at
    FROM ask
    ORDER BY place
    RETURNING id, uuid, account_id, bandwidth_gb
), metered AS (
    INSERT INTO meter (order_id, account_id, initial_bytes)
    SELECT id, account_id, bandwidth_gb::bigint * 1073741824 FROM placed
), charged AS (
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, actor,
                          version, balance_after_cents, created_at)
    SELECT ask.account_id, ask.account_id, 1, ask.net_cents, 'charge', placed.id, 'api',
           ask.version, ask.balance_after_cents, ask.decided_at
    FROM ask
    JOIN placed ON placed.uuid = ask.uuid
    WHERE ask.version IS NOT NULL
    ORDER BY ask.place
    RETURNING 1
), balanced AS (
    UPDATE account
    SET balance_cents = new.balance_cents, ledger_version = new.ledger_version
    FROM unnest($22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[])
      AS new (account_id, version_before, ledger_version, balance_cents)
    WHERE account.id = new.account_id AND account.ledger_version = new.version_before
    RETURNING 1
), counted AS (
    INSERT INTO account_plan (account_id, plan_id, orders)
    SELECT account_id, plan_id, orders
    FROM unnest($26::bigint[], $27::bigint[], $28::bigint[]) AS new (account_id, plan_id, orders)
    ON CONFLICT (account_id, plan_id) DO UPDATE SET orders = account_plan.orders + EXCLUDED.orders
), redeemed AS (
    UPDATE discount_code
    SET uses = discount_code.uses + new.uses
    FROM unnest($29::bigint[], $30::bigint[]) AS new (code_id, uses)
    WHERE discount_code.id = new.code_id
    RETURNING 1
), redeemed_by_account AS (
    INSERT INTO account_code (account_id, code_id, uses)
    SELECT account_id, code_id, uses
    FROM unnest($31::bigint[], $32::bigint[], $33::bigint[]) AS new (account_id, code_id, uses)
    ON CONFLICT (account_id, code_id) DO UPDATE SET uses = account_code.uses + EXCLUDED.uses
)
SELECT (SELECT count(*) FROM placed) AS orders_placed,
       (SELECT count(*) FROM charged) AS orders_charged,
       (SELECT count(*) FROM balanced) AS accounts_balanced,
       (SELECT count(*) FROM redeemed) AS codes_redeemed
