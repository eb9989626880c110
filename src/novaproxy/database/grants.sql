-- What the service's role may do, and nothing else: run by the owner at the end of every migration, so that rights which
-- a restored database lacks come back, and rights that somebody added go. :"service" and :"schema" stand for
-- the names of the role and of the tables' schema.
--
-- What is history is read and added to: no right to change or delete an entry, a move, a catalog's revision. Of rows that
-- change only those columns may that the shop changes. Tables and functions are the owner's: nothing here makes, alters or
-- drops one, or switches a trigger off.
GRANT USAGE ON SCHEMA :"schema" TO :"service";

REVOKE ALL ON account, account_code, account_move, account_plan, api_token, audit_mark, audit_run, catalog_revision, discount_code,
    meter, order_move, orders, plan, plan_duration, plan_option, plan_tier, schema_grant, schema_migration, sealing_key,
    transfer
FROM :"service";

-- History.
GRANT SELECT, INSERT ON transfer, order_move, account_move, catalog_revision TO :"service";

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
GRANT SELECT, INSERT ON meter TO :"service";

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
