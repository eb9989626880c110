-- Two roles: the owner migrates, the service's role works. And the catalog is told apart by more than its number.

-- Which roles have which version of the rights in grants.sql; how the service's own role sees whether it must be migrated.
CREATE TABLE schema_grant (
    role_name  text PRIMARY KEY,
    checksum   text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now()
);

-- What load_order_batch returns now also says when the current catalog was applied: after a restore the numbers count on from
-- where the backup was, and a process that holds another catalog with the same number must see it. And an ask gets the
-- account and the code that were locked alone: a token or a code that was committed while the locks were waited for is
-- seen by the last statement, and was locked by none. Everything else about the function stands as it was made (0002).
DROP FUNCTION load_order_batch(bytea[], text[], text[]);

CREATE FUNCTION load_order_batch(token_hashes bytea[], keys text[], codes text[])
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
    locked_codes bigint[];
BEGIN
    locked_accounts := ARRAY(
        SELECT account.id FROM account
        WHERE account.id = ANY (ARRAY(SELECT api_token.account_id FROM api_token
                                      WHERE api_token.token_hash = ANY (token_hashes) AND api_token.revoked_at IS NULL))
        ORDER BY account.id
        FOR NO KEY UPDATE);

    locked_codes := ARRAY(
        SELECT discount_code.id FROM discount_code
        WHERE lower(discount_code.code COLLATE "C") = ANY (codes)
        ORDER BY discount_code.id
        FOR NO KEY UPDATE);

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
    LEFT JOIN orders AS earlier ON earlier.account_id = account.id AND earlier.idempotency_key = ask.key
    LEFT JOIN discount_code ON lower(discount_code.code COLLATE "C") = ask.code
                           AND discount_code.id = ANY (locked_codes)
    LEFT JOIN account_code ON account_code.account_id = account.id AND account_code.code_id = discount_code.id;
END
$$;
