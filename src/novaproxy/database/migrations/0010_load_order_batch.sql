-- load_order_batch locks codes only where one is nearly used up (docs/adr/0029), and then those before it too, so that all
-- are still taken in the order of their ids. The uses of the others are read as they are, and save_batch.sql counts on from what they are by then, within the limit that the orders were decided on: a batch
-- that is too late is decided anew. And an earlier order of a key is looked for key by key: as a join, planned while there
-- were few, it read all keys of the account. Everything else about the function stands as it was made (0002, 0004).
CREATE OR REPLACE FUNCTION load_order_batch(token_hashes bytea[], keys text[], codes text[])
RETURNS TABLE (
    slot               bigint,
    decided_at         timestamptz,
    revision           integer,
    catalog_applied_at timestamptz,
    account_id         bigint,
    balance_cents      bigint,
    ledger_version     bigint,
    plan_ids           bigint[],
    plan_orders        bigint[],
    key_order_uuid     uuid,
    key_request_hash   bytea,
    code_id            bigint,
    code_uses          bigint,
    account_code_uses  bigint
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    after_the_wait timestamptz;
    current_revision integer;
    current_applied_at timestamptz;
    locked_accounts bigint[];
BEGIN
    locked_accounts := ARRAY(
        SELECT account.id FROM account
        WHERE account.id = ANY (ARRAY(SELECT api_token.account_id FROM api_token
                                      WHERE api_token.token_hash = ANY (token_hashes) AND api_token.revoked_at IS NULL))
        ORDER BY account.id
        FOR NO KEY UPDATE);

    PERFORM FROM discount_code
    WHERE lower(discount_code.code COLLATE "C") = ANY (codes)
      AND discount_code.id <= (SELECT max(scarce.id) FROM discount_code AS scarce
                               WHERE lower(scarce.code COLLATE "C") = ANY (codes)
                                 AND scarce.use_ceiling - scarce.uses < 1000)
    ORDER BY discount_code.id
    FOR NO KEY UPDATE;

    after_the_wait := clock_timestamp();
    SELECT catalog_revision.id, catalog_revision.created_at INTO current_revision, current_applied_at
    FROM catalog_revision
    ORDER BY catalog_revision.id DESC
    LIMIT 1;

    RETURN QUERY
    SELECT ask.slot, after_the_wait, current_revision, current_applied_at,
           account.id, account.balance_cents, account.ledger_version,
           ARRAY(SELECT account_plan.plan_id FROM account_plan
                 WHERE account_plan.account_id = account.id ORDER BY account_plan.plan_id),
           ARRAY(SELECT account_plan.orders FROM account_plan
                 WHERE account_plan.account_id = account.id ORDER BY account_plan.plan_id),
           earlier.uuid, earlier.request_hash,
           discount_code.id, discount_code.uses, COALESCE(account_code.uses, 0)
    FROM unnest(token_hashes, keys, codes) WITH ORDINALITY AS ask (token_hash, key, code, slot)
    LEFT JOIN api_token ON api_token.token_hash = ask.token_hash AND api_token.revoked_at IS NULL
    LEFT JOIN account ON account.id = api_token.account_id AND account.status = 'active'
                     AND account.id = ANY (locked_accounts)
    LEFT JOIN LATERAL (SELECT orders.uuid, orders.request_hash
                       FROM orders
                       WHERE orders.account_id = account.id AND orders.idempotency_key = ask.key
                       LIMIT 1) AS earlier ON true
    LEFT JOIN discount_code ON lower(discount_code.code COLLATE "C") = ask.code
    LEFT JOIN account_code ON account_code.account_id = account.id AND account_code.code_id = discount_code.id;
END
$$;
