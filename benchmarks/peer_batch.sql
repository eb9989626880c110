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
        SELECT array_agg(
                   ROW (uuid, account_id, plan_id, 'active', cents, 0, cents, NULL, 2, NULL, '[]', NULL, NULL,
                        substr(md5(uuid::text), 1, 15), decode(md5(uuid::text) || md5(uuid::text), 'hex'), 1, NULL,
                        ledger_version + turn, balance_cents - turn * cents)::written_order
                   ORDER BY slot) AS written,
               min(revision) AS revision, min(decided_at) AS decided_at
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
    SELECT save_as_the_service_does(written, revision, decided_at, ids, versions_before, versions, balances,
                                    ids, plan_ids, bought, '{}', '{}', '{}', '{}', '{}', '{}')
    FROM orders, accounts);
END
$$;
