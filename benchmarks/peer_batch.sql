-- The service's own trick without HTTP: $1 orders of 2 GB, each of a random one of $2 accounts, in one transaction, with
-- the service's load function and its save statement (save_as_the_service_does has the text of orders/sql/save_batch.sql).
-- What Python decides between the two is decided here in the same statement.
CREATE FUNCTION place_batch(size integer, accounts integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    token_hashes bytea[] := ARRAY(SELECT sha256(('bench-' || 1 + floor(random() * accounts)::integer)::bytea)
                                  FROM generate_series(1, size));
    no_texts text[] := array_fill(NULL::text, ARRAY[size]);
BEGIN
    PERFORM (WITH priced AS MATERIALIZED (
        SELECT loaded.slot, loaded.account_id, loaded.decided_at, loaded.balance_cents, loaded.ledger_version,
               loaded.revision, sold.plan_id, sold.cents, uuidv7() AS uuid,
               row_number() OVER (PARTITION BY loaded.account_id ORDER BY loaded.slot) AS turn
        FROM load_order_batch(token_hashes, no_texts, no_texts) AS loaded
        CROSS JOIN (SELECT plan_id, 2 * price_per_gb_e4 / 100 AS cents
                    FROM peer_price
                    WHERE slug = 'residential' AND bandwidth_gb <= 2
                    ORDER BY bandwidth_gb DESC
                    LIMIT 1) AS sold
    ), orders AS (
        SELECT array_agg(uuid ORDER BY slot) AS uuids,
               array_agg(account_id ORDER BY slot) AS account_ids,
               array_agg(plan_id ORDER BY slot) AS plan_ids,
               array_agg(revision ORDER BY slot) AS revisions,
               array_agg(cents ORDER BY slot) AS cents,
               array_agg(substr(md5(uuid::text), 1, 15) ORDER BY slot) AS usernames,
               array_agg(decode(md5(uuid::text) || md5(uuid::text), 'hex') ORDER BY slot) AS passwords,
               array_agg(ledger_version + turn ORDER BY slot) AS versions,
               array_agg(balance_cents - turn * cents ORDER BY slot) AS balances,
               array_agg(decided_at ORDER BY slot) AS times
        FROM priced
    ), accounts AS (
        SELECT array_agg(account_id) AS ids, array_agg(version_before) AS versions_before,
               array_agg(version_before + bought) AS versions, array_agg(balance_cents) AS balances,
               array_agg(plan_id) AS plan_ids, array_agg(bought) AS bought
        FROM (SELECT account_id, plan_id, ledger_version AS version_before, count(*) AS bought,
                     min(balance_cents - turn * cents) AS balance_cents
              FROM priced
              GROUP BY account_id, plan_id, ledger_version) AS account
    )
    SELECT save_as_the_service_does(
        uuids, account_ids, orders.plan_ids, revisions, array_fill('active'::text, ARRAY[size]), cents,
        array_fill(0::bigint, ARRAY[size]), cents, array_fill(NULL::bigint, ARRAY[size]),
        array_fill(2, ARRAY[size]), no_texts, array_fill('[]'::text, ARRAY[size]), no_texts,
        array_fill(NULL::bytea, ARRAY[size]), usernames, passwords, array_fill(1::smallint, ARRAY[size]),
        array_fill(NULL::timestamptz, ARRAY[size]), orders.versions, orders.balances, times,
        ids, versions_before, accounts.versions, accounts.balances, ids, accounts.plan_ids, bought,
        '{}', '{}', '{}', '{}', '{}')
    FROM orders, accounts);
END
$$;
