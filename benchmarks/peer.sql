-- The peer: the same order, one a transaction, as one stored function in the same database, tables, indexes and
-- constraints. It reads the price from the catalog's document as a careful author of such a function would: from a
-- table made for it once, so that the peer does not pay for JSON.
CREATE TABLE peer_price AS
SELECT (plan ->> 'id')::bigint AS plan_id, plan ->> 'slug' AS slug, (tier ->> 'bandwidth_gb')::integer AS bandwidth_gb,
       (tier ->> 'price_per_gb_e4')::bigint AS price_per_gb_e4, catalog_revision.id AS revision
FROM catalog_revision, jsonb_array_elements(document -> 'plans') AS plan, jsonb_array_elements(plan -> 'tiers') AS tier
WHERE catalog_revision.id = (SELECT max(id) FROM catalog_revision);

ALTER TABLE peer_price ADD PRIMARY KEY (slug, bandwidth_gb);
ANALYZE peer_price;

CREATE FUNCTION place_one(asked_token bytea, asked_slug text, asked_gb integer) RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    customer   record;
    price      record;
    gross      bigint;
    new_order  bigint;
    new_uuid   uuid := uuidv7();
    decided_at timestamptz;
BEGIN
    SELECT account.id, account.balance_cents, account.ledger_version INTO customer
    FROM api_token
    JOIN account ON account.id = api_token.account_id
    WHERE api_token.token_hash = asked_token AND api_token.revoked_at IS NULL AND account.status = 'active'
    FOR NO KEY UPDATE OF account;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'Unauthenticated.';
    END IF;

    SELECT plan_id, price_per_gb_e4, revision INTO price
    FROM peer_price
    WHERE slug = asked_slug AND bandwidth_gb <= asked_gb
    ORDER BY bandwidth_gb DESC
    LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'The entered bandwidth is not valid.';
    END IF;

    gross := (2 * price.price_per_gb_e4 * asked_gb + 100) / 200;
    IF customer.balance_cents < gross THEN
        RAISE EXCEPTION 'Insufficient balance.';
    END IF;

    decided_at := clock_timestamp();
    INSERT INTO orders (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
                        bandwidth_gb, username, password_sealed, sealing_key_id, created_at, updated_at)
    VALUES (new_uuid, customer.id, price.plan_id, price.revision, 'active', gross, 0, gross, asked_gb,
            substr(md5(new_uuid::text), 1, 15), decode(md5(new_uuid::text) || md5(new_uuid::text), 'hex'), 1,
            decided_at, decided_at)
    RETURNING id INTO new_order;
    INSERT INTO meter (order_id, account_id, initial_bytes)
    VALUES (new_order, customer.id, asked_gb::bigint * 1073741824);
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, actor,
                          version, balance_after_cents, created_at)
    VALUES (customer.id, customer.id, 1, gross, 'charge', new_order, 'peer', customer.ledger_version + 1,
            customer.balance_cents - gross, decided_at);
    UPDATE account
    SET balance_cents = balance_cents - gross, ledger_version = ledger_version + 1
    WHERE id = customer.id;
    INSERT INTO account_plan (account_id, plan_id, orders)
    VALUES (customer.id, price.plan_id, 1)
    ON CONFLICT (account_id, plan_id) DO UPDATE SET orders = account_plan.orders + 1;
    RETURN new_uuid;
END
$$;
