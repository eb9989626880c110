-- $1 past orders of 2 GB, one a second until now, by turns of the accounts that load.sql made, with clean books.
WITH buyer AS (
    SELECT id, balance_cents, ledger_version, row_number() OVER (ORDER BY id) - 1 AS place
    FROM account
    WHERE email LIKE 'bench%@example.com'
), turn AS (
    SELECT number, number / buyers AS earlier, number % buyers AS place
    FROM generate_series(0, $1::integer - 1) AS number, (SELECT count(*) AS buyers FROM buyer) AS counted
), sold AS (
    SELECT plan_id, revision, 2 * price_per_gb_e4 / 100 AS cents
    FROM peer_price
    WHERE slug = 'residential' AND bandwidth_gb <= 2
    ORDER BY bandwidth_gb DESC
    LIMIT 1
), wish AS (
    SELECT number, uuidv7() AS uuid, buyer.id AS account_id, plan_id, revision, cents,
           ledger_version + 1 + earlier AS version, balance_cents - cents * (1 + earlier) AS balance_after_cents,
           now() - make_interval(secs => $1::integer - number) AS decided_at
    FROM turn
    JOIN buyer ON buyer.place = turn.place
    CROSS JOIN sold
), placed AS (
    INSERT INTO orders (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
                        bandwidth_gb, username, password_sealed, sealing_key_id, created_at, updated_at)
    SELECT uuid, account_id, plan_id, revision, 'active', cents, 0, cents, 2, substr(md5(uuid::text), 1, 15),
           decode(md5(uuid::text) || md5(uuid::text), 'hex'), 1, decided_at, decided_at
    FROM wish
    ORDER BY number
    RETURNING id, uuid, account_id
), metered AS (
    INSERT INTO meter (order_id, account_id, initial_bytes)
    SELECT id, account_id, 2147483648 FROM placed
), charged AS (
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, actor,
                          version, balance_after_cents, created_at)
    SELECT wish.account_id, wish.account_id, 1, wish.cents, 'charge', placed.id, 'benchmark', wish.version,
           wish.balance_after_cents, wish.decided_at
    FROM wish
    JOIN placed ON placed.uuid = wish.uuid
    ORDER BY wish.number
), bought AS (
    SELECT account_id, plan_id, count(*) AS orders, max(version) AS version, min(balance_after_cents) AS balance_cents
    FROM wish
    GROUP BY account_id, plan_id
), counted AS (
    INSERT INTO account_plan (account_id, plan_id, orders)
    SELECT account_id, plan_id, orders FROM bought
)
UPDATE account
SET balance_cents = bought.balance_cents, ledger_version = bought.version
FROM bought
WHERE account.id = bought.account_id
