-- An accepted order as the desk writes it down: save_batch.sql takes a batch as one array of these. A column an array, as it
-- was, cost the service and PostgreSQL a quarter more of an order's processor time each (docs/adr/0023).
CREATE TYPE written_order AS (
    uuid                uuid,
    account_id          bigint,
    plan_id             bigint,
    status              text,
    gross_cents         bigint,
    discount_cents      bigint,
    net_cents           bigint,
    discount_code_id    bigint,
    bandwidth_gb        integer,
    term                text,
    options             json,
    idempotency_key     text,
    request_hash        bytea,
    username            text,
    password_sealed     bytea,
    sealing_key_id      smallint,
    expires_at          timestamptz,
    version             bigint,
    balance_after_cents bigint
);
