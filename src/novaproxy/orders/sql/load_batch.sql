-- Locks the accounts and then the scarce codes of the batch, and reads what its decision needs, in one round trip; how, and why
-- it must be a function, stands at its definition (migrations 0002, 0004 and 0010).
SELECT slot, decided_at, revision, catalog_applied_at, account_id, balance_cents, ledger_version, plan_ids, plan_orders,
       key_order_uuid, key_request_hash, code_id, code_uses, account_code_uses
FROM load_order_batch($1::bytea[], $2::text[], $3::text[])
