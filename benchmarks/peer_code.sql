-- The peer with a discount code: the same order, one a transaction, as one stored function. What the code takes off stands
-- in a table made once, as the price does. Of the code's limits it checks max_uses alone.
--
-- With locks_first it locks accounts, then codes, and checks the code's uses before the balance, as the service does and
-- as its API's order of refusals asks. Without, it checks and counts the code's uses last, where the row that everybody
-- wants is locked for the shortest time; who has no money and a code that is used up then hears of the money.
CREATE TABLE peer_code AS
SELECT (code ->> 'id')::bigint AS code_id, lower(code ->> 'code') AS code, (code ->> 'percent_e2')::bigint AS percent_e2,
       (code ->> 'max_uses')::bigint AS max_uses
FROM catalog_revision, jsonb_array_elements(document -> 'discount_codes') AS code
WHERE catalog_revision.id = (SELECT max(id) FROM catalog_revision) AND code ->> 'percent_e2' IS NOT NULL;

ALTER TABLE peer_code ADD PRIMARY KEY (code);
ANALYZE peer_code;

CREATE FUNCTION place_one_with_code(asked_token bytea, asked_slug text, asked_gb integer, asked_code text,
                                    locks_first boolean) RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    customer   record;
    price      record;
    offer      record;
    gross      bigint;
    discount   bigint;
    net        bigint;
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

    SELECT code_id, percent_e2, max_uses INTO offer
    FROM peer_code
    WHERE code = lower(asked_code);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'The discount code is not valid.';
    END IF;
    IF locks_first THEN
        PERFORM FROM discount_code
        WHERE id = offer.code_id AND (offer.max_uses IS NULL OR uses < offer.max_uses)
        FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'The discount code has been used up.';
        END IF;
    END IF;

    gross := (2 * price.price_per_gb_e4 * asked_gb + 100) / 200;
    discount := (2 * gross * offer.percent_e2 + 10000) / 20000;
    net := gross - discount;
    IF customer.balance_cents < net THEN
        RAISE EXCEPTION 'Insufficient balance.';
    END IF;

    decided_at := clock_timestamp();
    INSERT INTO orders (uuid, account_id, plan_id, catalog_revision, status, gross_cents, discount_cents, net_cents,
                        discount_code_id, bandwidth_gb, username, password_sealed, sealing_key_id, created_at, updated_at)
    VALUES (new_uuid, customer.id, price.plan_id, price.revision, 'active', gross, discount, net, offer.code_id, asked_gb,
            substr(md5(new_uuid::text), 1, 15), decode(md5(new_uuid::text) || md5(new_uuid::text), 'hex'), 1,
            decided_at, decided_at)
    RETURNING id INTO new_order;
    INSERT INTO meter (order_id, account_id, initial_bytes)
    VALUES (new_order, customer.id, asked_gb::bigint * 1073741824);
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, actor,
                          version, balance_after_cents, created_at)
    VALUES (customer.id, customer.id, 1, net, 'charge', new_order, 'peer', customer.ledger_version + 1,
            customer.balance_cents - net, decided_at);
    UPDATE account
    SET balance_cents = balance_cents - net, ledger_version = ledger_version + 1
    WHERE id = customer.id;
    INSERT INTO account_plan (account_id, plan_id, orders)
    VALUES (customer.id, price.plan_id, 1)
    ON CONFLICT (account_id, plan_id) DO UPDATE SET orders = account_plan.orders + 1;
    INSERT INTO account_code (account_id, code_id, uses)
    VALUES (customer.id, offer.code_id, 1)
    ON CONFLICT (account_id, code_id) DO UPDATE SET uses = account_code.uses + 1;
    UPDATE discount_code
    SET uses = uses + 1
    WHERE id = offer.code_id AND (offer.max_uses IS NULL OR uses < offer.max_uses);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'The discount code has been used up.';
    END IF;
    RETURN new_uuid;
END
$$;
