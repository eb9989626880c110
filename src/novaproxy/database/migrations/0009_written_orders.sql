-- An accepted order as the desk writes it down: save_batch.sql takes a batch as one array of these. A column an array, as it
-- was, cost more of both processor times: docs/adr/0023 has the figures.
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
