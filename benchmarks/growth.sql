-- Fills an empty shop with accounts and past orders, as the service would have left them, with clean books. Each function
-- fills its own tables from the same arithmetic, so that two connections can work at once. Keys are dropped meanwhile.
--
-- Account n of :accounts has the token 'bench-n' and was credited with 1,000,000.00. Order n of :orders is the next one
-- of account ((n - 1) mod accounts) + 1: 2 GB of 'residential', for cents, placed in the last year, of which nothing is
-- used.
CREATE FUNCTION pg_temp.moment(number bigint, of_all bigint) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT date_trunc('hour', now()) - interval '365 days' * (1 - number::float8 / (of_all + 1))
$$;

-- How many of the orders are account number's.
CREATE FUNCTION pg_temp.orders_of(number bigint, accounts bigint, orders bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT orders / accounts + CASE WHEN number <= orders % accounts THEN 1 ELSE 0 END
$$;

CREATE FUNCTION pg_temp.fill_orders(first_account bigint, accounts bigint, orders bigint, cents bigint)
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO orders (id, uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
                        bandwidth_gb, username, password_sealed, sealing_key_id, created_at, updated_at)
    OVERRIDING SYSTEM VALUE
    SELECT number,
           -- Version 7, as the service makes them: in the order of their time.
           (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || substr(chance, 1, 3)
            || '8' || substr(chance, 4, 15))::uuid,
           first_account + (number - 1) % accounts, (SELECT plan.id FROM plan WHERE plan.slug = 'residential'),
           (SELECT max(catalog_revision.id) FROM catalog_revision), 'active', cents, 0, cents, 2,
           substr(chance, 18, 15),
           -- As long as a sealed password: nonce, 15 letters, tag.
           decode(chance || chance || substr(chance, 1, 22), 'hex'),
           (SELECT min(sealing_key.id) FROM sealing_key), moment, moment
    FROM (SELECT number, pg_temp.moment(number, orders) AS moment, md5(number::text) AS chance
          FROM generate_series(1, orders) AS number) AS past
$$;

CREATE FUNCTION pg_temp.fill_meters(first_account bigint, accounts bigint, orders bigint, cents bigint)
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO meter (order_id, account_id, initial_bytes)
    SELECT number, first_account + (number - 1) % accounts, 2 * 1073741824::bigint
    FROM generate_series(1, orders) AS number
$$;

CREATE FUNCTION pg_temp.fill_transfers(first_account bigint, accounts bigint, orders bigint, cents bigint, first_id bigint)
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO transfer (id, account_id, debit_account_id, credit_account_id, amount_cents, kind, reason, actor, version,
                          balance_after_cents, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT first_id + number - 1, account_id, 2, account_id, 100000000, 'credit', 'benchmark', 'benchmark', 1, 100000000,
           pg_temp.moment(0, orders)
    FROM generate_series(1, accounts) AS number, LATERAL (SELECT first_account + number - 1 AS account_id) AS its;

    INSERT INTO transfer (id, account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, actor,
                          version, balance_after_cents, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT first_id + accounts + number - 1, account_id, account_id, 1, cents, 'charge', number, 'api',
           2 + (number - 1) / accounts, 100000000 - cents * (1 + (number - 1) / accounts),
           pg_temp.moment(number, orders)
    FROM generate_series(1, orders) AS number, LATERAL (SELECT first_account + (number - 1) % accounts AS account_id) AS its
$$;

CREATE FUNCTION pg_temp.fill_accounts(first_account bigint, accounts bigint, orders bigint, cents bigint)
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO account (id, uuid, kind, email, email_key, name, balance_cents, ledger_version, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT first_account + number - 1, gen_random_uuid(), 'customer', email, email, 'Bench',
           100000000 - cents * pg_temp.orders_of(number, accounts, orders),
           1 + pg_temp.orders_of(number, accounts, orders), pg_temp.moment(0, orders)
    FROM generate_series(1, accounts) AS number, LATERAL (SELECT 'bench' || number || '@example.com' AS email) AS its;

    INSERT INTO api_token (account_id, name, token_hash)
    SELECT first_account + number - 1, 'default', sha256(('bench-' || number)::bytea)
    FROM generate_series(1, accounts) AS number;

    INSERT INTO account_plan (account_id, plan_id, orders)
    SELECT first_account + number - 1, (SELECT plan.id FROM plan WHERE plan.slug = 'residential'), counted
    FROM generate_series(1, accounts) AS number,
         LATERAL (SELECT pg_temp.orders_of(number, accounts, orders) AS counted) AS its
    WHERE counted > 0
$$;
