-- The tables of the shop. docs/data-model.md says what each holds and in which order rows are locked.

-- Customers, and the house's own accounts on the other side of each transfer. The house's carry no running balance, so
-- that orders of different customers never meet in a row.
CREATE TABLE account (
    id             bigint GENERATED ALWAYS AS IDENTITY (START WITH 1001) PRIMARY KEY,
    uuid           uuid NOT NULL UNIQUE,
    kind           text NOT NULL CHECK (kind IN ('customer', 'house')),
    email          text CHECK (length(email) BETWEEN 3 AND 254),
    email_key      text UNIQUE,
    name           text NOT NULL CHECK (length(name) <= 200),
    status         text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    balance_cents  bigint CHECK (balance_cents BETWEEN 0 AND 999999999999),
    ledger_version bigint NOT NULL DEFAULT 0 CHECK (ledger_version >= 0),
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_house_has_no_balance CHECK ((kind = 'customer') = (balance_cents IS NOT NULL)),
    CONSTRAINT account_house_has_no_email CHECK ((kind = 'customer') = (email IS NOT NULL AND email_key IS NOT NULL))
) WITH (fillfactor = 70);

COMMENT ON COLUMN account.email_key IS 'The e-mail folded to one case: no two accounts differ by case alone.';

INSERT INTO account (id, uuid, kind, name) OVERRIDING SYSTEM VALUE VALUES
    (1, '00000000-0000-7000-8000-000000000001', 'house', 'revenue'),
    (2, '00000000-0000-7000-8000-000000000002', 'house', 'deposits'),
    (3, '00000000-0000-7000-8000-000000000003', 'house', 'adjustments');

CREATE TABLE api_token (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    UNIQUE (account_id, name)
);

COMMENT ON COLUMN api_token.token_hash IS 'SHA-256 of the token; the token itself is kept nowhere.';

-- Each apply of a catalog is one row for ever; an order names the revision its price came from.
CREATE TABLE catalog_revision (
    id         integer PRIMARY KEY CHECK (id > 0),
    document   jsonb NOT NULL,
    actor      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The lasting ids of what is sold: a thing that is left out and sold again later is the same thing.
CREATE TABLE plan (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    type text NOT NULL CHECK (type IN ('bandwidth', 'duration'))
);

CREATE TABLE plan_tier (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id      bigint NOT NULL REFERENCES plan,
    bandwidth_gb integer NOT NULL CHECK (bandwidth_gb > 0),
    UNIQUE (plan_id, bandwidth_gb)
);

CREATE TABLE plan_duration (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id bigint NOT NULL REFERENCES plan,
    slug    text NOT NULL,
    UNIQUE (plan_id, slug)
);

CREATE TABLE plan_option (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    duration_id bigint NOT NULL REFERENCES plan_duration,
    name        text NOT NULL,
    UNIQUE (duration_id, name)
);

-- A code's other rules stand in the catalog's document; here is what must be counted under a lock.
CREATE TABLE discount_code (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code     text NOT NULL CHECK (code ~ '^[A-Za-z0-9_-]{1,64}$'),
    uses     bigint NOT NULL DEFAULT 0 CHECK (uses >= 0),
    use_ceiling bigint,
    CONSTRAINT discount_code_within_ceiling CHECK (uses <= use_ceiling)
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX discount_code_code_key ON discount_code (lower(code COLLATE "C"));

COMMENT ON COLUMN discount_code.use_ceiling IS
    'max_uses, or the uses so far where max_uses was lowered below them; null is no limit. The last guard behind the rule.';

CREATE TABLE account_code (
    account_id bigint NOT NULL REFERENCES account,
    code_id    bigint NOT NULL REFERENCES discount_code,
    uses       bigint NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (account_id, code_id)
) WITH (fillfactor = 70);

CREATE TABLE account_plan (
    account_id bigint NOT NULL REFERENCES account,
    plan_id    bigint NOT NULL REFERENCES plan,
    orders     bigint NOT NULL CHECK (orders >= 0),
    PRIMARY KEY (account_id, plan_id)
) WITH (fillfactor = 70);

COMMENT ON COLUMN account_plan.orders IS 'Orders that count against the plan''s limit: all but failed and invoice_expired.';

-- Which keys the passwords of this database were sealed with; never the key itself.
CREATE TABLE sealing_key (
    id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint bytea NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE orders (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid             uuid NOT NULL UNIQUE,
    account_id       bigint NOT NULL REFERENCES account,
    plan_id          bigint NOT NULL REFERENCES plan,
    catalog_revision integer NOT NULL REFERENCES catalog_revision,
    status           text NOT NULL CHECK (status IN ('awaiting_payment', 'active', 'inactive', 'expired', 'exhausted',
                                                     'pending', 'failed', 'invoice_expired')),
    gross_cents      bigint NOT NULL CHECK (gross_cents BETWEEN 0 AND 999999999999),
    discount_cents   bigint NOT NULL CHECK (discount_cents >= 0),
    net_cents        bigint NOT NULL CHECK (net_cents >= 0),
    discount_code_id bigint REFERENCES discount_code,
    bandwidth_gb     integer CHECK (bandwidth_gb BETWEEN 1 AND 8388608),
    term             text,
    options          json NOT NULL DEFAULT '[]',
    idempotency_key  text CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash     bytea CHECK (length(request_hash) = 32),
    username         text UNIQUE CHECK (username ~ '^[a-z0-9]{15}$'),
    password_sealed  bytea,
    sealing_key_id   smallint REFERENCES sealing_key,
    expires_at       timestamptz CHECK (date_trunc('second', expires_at, 'UTC') = expires_at),
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT orders_net_is_gross_less_discount CHECK (net_cents = gross_cents - discount_cents),
    CONSTRAINT orders_discount_has_code CHECK (discount_cents = 0 OR discount_code_id IS NOT NULL),
    CONSTRAINT orders_key_has_hash CHECK ((idempotency_key IS NULL) = (request_hash IS NULL)),
    CONSTRAINT orders_sells_traffic_or_time CHECK (bandwidth_gb IS NOT NULL OR term IS NOT NULL),
    CONSTRAINT orders_credentials_whole CHECK (num_nulls(username, password_sealed, sealing_key_id) IN (0, 3)),
    CONSTRAINT orders_credentials_fit_status CHECK (
        CASE
            WHEN status IN ('awaiting_payment', 'pending', 'invoice_expired') THEN username IS NULL
            WHEN status = 'failed' THEN true
            ELSE username IS NOT NULL
        END)
);

COMMENT ON COLUMN orders.options IS
    'The resolved choices as they were shown when sold; json, not jsonb, so that every later answer is the same text.';
COMMENT ON COLUMN orders.term IS
    'The duration as sold, or a bandwidth plan''s validity as sold; null: the order does not expire.';

CREATE UNIQUE INDEX orders_account_idempotency_key ON orders (account_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX orders_account_newest ON orders (account_id, created_at DESC, id DESC);

-- One row a change of status; an order's creation is none.
CREATE TABLE order_move (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES account,
    order_id    bigint NOT NULL REFERENCES orders,
    from_status text NOT NULL,
    to_status   text NOT NULL,
    cause       text NOT NULL,
    actor       text NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT order_move_is_legal CHECK ((from_status, to_status) IN (
        ('awaiting_payment', 'pending'), ('awaiting_payment', 'active'), ('awaiting_payment', 'invoice_expired'),
        ('pending', 'active'), ('pending', 'failed'),
        ('active', 'inactive'), ('active', 'expired'), ('active', 'exhausted'),
        ('inactive', 'active'), ('inactive', 'expired'),
        ('expired', 'active'), ('exhausted', 'active'), ('exhausted', 'expired')))
);

CREATE INDEX order_move_order ON order_move (order_id, id);

-- What has flowed. Narrow and apart, so that counting bytes never rewrites an order's row.
CREATE TABLE meter (
    order_id       bigint PRIMARY KEY REFERENCES orders,
    account_id     bigint NOT NULL,
    initial_bytes  bigint CHECK (initial_bytes > 0),
    consumed_bytes bigint NOT NULL DEFAULT 0 CHECK (consumed_bytes >= 0),
    leased_bytes   bigint NOT NULL DEFAULT 0 CHECK (leased_bytes >= 0),
    CONSTRAINT meter_within_initial CHECK (consumed_bytes + leased_bytes <= initial_bytes)
) WITH (fillfactor = 70);

COMMENT ON COLUMN meter.initial_bytes IS 'What was bought; null: unmetered.';

-- The ledger. One row moves money from one account to another, so the books balance by construction.
CREATE TABLE transfer (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id          bigint NOT NULL REFERENCES account,
    debit_account_id    bigint NOT NULL,
    credit_account_id   bigint NOT NULL,
    amount_cents        bigint NOT NULL CHECK (amount_cents > 0),
    kind                text NOT NULL,
    order_id            bigint REFERENCES orders,
    reason              text CHECK (length(reason) BETWEEN 1 AND 500),
    reference           text CHECK (length(reference) BETWEEN 1 AND 200),
    actor               text NOT NULL,
    version             bigint NOT NULL CHECK (version > 0),
    balance_after_cents bigint NOT NULL CHECK (balance_after_cents BETWEEN 0 AND 999999999999),
    created_at          timestamptz NOT NULL,
    UNIQUE (account_id, version),
    -- The kind says which house account stands on the other side: 1 revenue, 2 deposits, 3 adjustments. It needs no
    -- foreign key there, whose check would lock one row shared by every order of the shop.
    CONSTRAINT transfer_sides CHECK (CASE kind
        WHEN 'credit' THEN debit_account_id = 2 AND credit_account_id = account_id
        WHEN 'debit' THEN debit_account_id = account_id AND credit_account_id = 3
        WHEN 'charge' THEN debit_account_id = account_id AND credit_account_id = 1
        WHEN 'refund' THEN debit_account_id = 1 AND credit_account_id = account_id
        ELSE false
    END),
    CONSTRAINT transfer_is_a_customers CHECK (account_id > 1000),
    CONSTRAINT transfer_order_fits_kind CHECK ((kind IN ('charge', 'refund')) = (order_id IS NOT NULL))
);

CREATE UNIQUE INDEX transfer_order_kind ON transfer (order_id, kind) WHERE order_id IS NOT NULL;
CREATE UNIQUE INDEX transfer_account_reference ON transfer (account_id, reference) WHERE reference IS NOT NULL;

CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are only ever inserted', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER transfer_only_inserted BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER catalog_revision_only_inserted BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog_revision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER order_move_only_inserted BEFORE UPDATE OR DELETE OR TRUNCATE ON order_move
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
