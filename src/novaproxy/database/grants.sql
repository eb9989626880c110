-- What the service's role may do, and nothing else: run by the owner at the end of every migration, so that rights which
-- a restored database lacks come back, and rights that somebody added go. :"service" and :"schema" stand for
-- the names of the role and of the tables' schema.
--
-- What is history is read and added to: no right to change or delete an entry, a move, a catalog's revision. Of rows that
-- change only those columns may that the shop changes. Tables and functions are the owner's: nothing here makes, alters or
-- drops one, or switches a trigger off.
GRANT USAGE ON SCHEMA :"schema" TO :"service";

REVOKE ALL ON account, account_code, account_move, account_plan, api_token, audit_mark, audit_run, catalog_revision, discount_code,
    gateway, lease, lost_lease, meter, order_move, orders, plan, plan_duration, plan_option, plan_tier, schema_grant,
    schema_migration, sealing_key, transfer, usage_hour, usage_refusal, whitelist_address
FROM :"service";

-- History.
GRANT SELECT, INSERT ON transfer, order_move, account_move, catalog_revision, lost_lease TO :"service";

-- The lasting ids of what is sold, and which key sealed.
GRANT SELECT, INSERT ON plan, plan_tier, plan_duration, plan_option, sealing_key TO :"service";

-- What changes. A lock on a row needs the right to change one of its columns, so whoever may lock is named here too.
GRANT SELECT, INSERT, UPDATE (status, balance_cents, ledger_version) ON account TO :"service";
GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_token TO :"service";
GRANT SELECT, INSERT, UPDATE (uses, use_ceiling) ON discount_code TO :"service";
GRANT SELECT, INSERT, UPDATE (uses) ON account_code TO :"service";
GRANT SELECT, INSERT, UPDATE (orders) ON account_plan TO :"service";
GRANT SELECT, INSERT,
      UPDATE (status, username, password_sealed, sealing_key_id, expires_at, updated_at) ON orders TO :"service";
GRANT SELECT, INSERT, UPDATE (consumed_bytes, leased_bytes) ON meter TO :"service";

-- What passes through gateways.
GRANT SELECT, INSERT, UPDATE (seen_at, ended_at, is_lost, round, refusal_batch) ON gateway TO :"service";
GRANT SELECT, INSERT, DELETE,
      UPDATE (leased_bytes, up_bytes, down_bytes, connections, tunnels, bytes_per_second, wished_per_second) ON lease TO :"service";
GRANT SELECT, INSERT, UPDATE (up_bytes, down_bytes, lost_bytes, connections) ON usage_hour TO :"service";
GRANT SELECT, INSERT, UPDATE (refusals) ON usage_refusal TO :"service";
GRANT SELECT, INSERT, DELETE ON whitelist_address TO :"service";

-- What the audits found is kept for a while.
GRANT SELECT, INSERT, DELETE ON audit_run TO :"service";
GRANT SELECT, INSERT, UPDATE ON audit_mark TO :"service";

GRANT SELECT ON schema_migration, schema_grant TO :"service";

-- A backup reads where the numbering stands.
GRANT SELECT ON ALL SEQUENCES IN SCHEMA :"schema" TO :"service";

-- Loads in bulk take their ids beforehand.
GRANT USAGE ON SEQUENCE account_id_seq, orders_id_seq TO :"service";

REVOKE ALL ON FUNCTION load_order_batch(bytea[], text[], text[]) FROM PUBLIC, :"service";
GRANT EXECUTE ON FUNCTION load_order_batch(bytea[], text[], text[]) TO :"service";

REVOKE ALL ON FUNCTION exhaust_orders(bigint[], timestamptz) FROM PUBLIC, :"service";
GRANT EXECUTE ON FUNCTION exhaust_orders(bigint[], timestamptz) TO :"service";
REVOKE ALL ON FUNCTION settle_round(bigint, bigint, boolean, bigint[], bigint[], bigint[], bigint[], bigint[], boolean[],
    boolean[], bigint[], bigint[], bigint[], integer[], integer[], integer[], bigint, bigint[], text[], bigint[], bigint)
    FROM PUBLIC, :"service";
GRANT EXECUTE ON FUNCTION settle_round(bigint, bigint, boolean, bigint[], bigint[], bigint[], bigint[], bigint[], boolean[],
    boolean[], bigint[], bigint[], bigint[], integer[], integer[], integer[], bigint, bigint[], text[], bigint[], bigint)
    TO :"service";
REVOKE ALL ON FUNCTION share_of_speed(bigint, bigint, bigint, bigint, bigint, timestamptz) FROM PUBLIC, :"service";
GRANT EXECUTE ON FUNCTION share_of_speed(bigint, bigint, bigint, bigint, bigint, timestamptz) TO :"service";
REVOKE ALL ON FUNCTION end_gateway(bigint, timestamptz) FROM PUBLIC, :"service";
GRANT EXECUTE ON FUNCTION end_gateway(bigint, timestamptz) TO :"service";
REVOKE ALL ON FUNCTION lose_gateway(bigint) FROM PUBLIC, :"service";
GRANT EXECUTE ON FUNCTION lose_gateway(bigint) TO :"service";
