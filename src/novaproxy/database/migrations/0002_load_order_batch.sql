-- Everything that the decision on a batch of orders needs, in one round trip.
--
-- A function, because the locks and the reads must be different statements: under READ COMMITTED each statement of a
-- volatile function sees what was committed when it began, and a count taken in the locking statement would be one from
-- before the wait (with it, 81 of 50 were sold). The first statement locks the accounts, the second the codes, each in
-- id order, so that two batches can never wait for each other in a circle; the last one reads.
--
-- Codes are ASCII and folded as such: under a Turkish collation lower('I') would be another letter.
--
-- Parameters: one array element an ask. keys and codes may be null; codes are in lower case.
-- Returns one row an ask, in no particular order. account_id is null where the token is unknown or revoked or its
-- account suspended, at the time after the wait: a revocation that came first wins.
CREATE FUNCTION load_order_batch(token_hashes bytea[], keys text[], codes text[])
RETURNS TABLE (
    slot              bigint,
    decided_at        timestamptz,
    revision          integer,
    account_id        bigint,
    balance_cents     bigint,
    ledger_version    bigint,
    plan_ids          bigint[],
    plan_orders       bigint[],
    key_order_uuid    uuid,
    key_request_hash  bytea,
    code_id           bigint,
    code_uses         bigint,
    account_code_uses bigint
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    after_the_wait timestamptz;
    current_revision integer;
BEGIN
    PERFORM 1 FROM account
    WHERE account.id = ANY (ARRAY(SELECT api_token.account_id FROM api_token
                                  WHERE api_token.token_hash = ANY (token_hashes) AND api_token.revoked_at IS NULL))
    ORDER BY account.id
    FOR NO KEY UPDATE;

    PERFORM 1 FROM discount_code
    WHERE lower(discount_code.code COLLATE "C") = ANY (codes)
    ORDER BY discount_code.id
    FOR NO KEY UPDATE;

    after_the_wait := clock_timestamp();
    current_revision := (SELECT max(catalog_revision.id) FROM catalog_revision);

    RETURN QUERY
    SELECT ask.slot, after_the_wait, current_revision,
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
    LEFT JOIN orders AS earlier ON earlier.account_id = account.id AND earlier.idempotency_key = ask.key
    LEFT JOIN discount_code ON lower(discount_code.code COLLATE "C") = ask.code
    LEFT JOIN account_code ON account_code.account_id = account.id AND account_code.code_id = discount_code.id;
END
$$;
