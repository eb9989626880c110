-- Sets the balances and the counters of a chunk's accounts, behind their locks; the version in the WHERE refuses what
-- was not decided on the state that is there. The caller compares the count.
WITH counted AS (
    INSERT INTO account_plan (account_id, plan_id, orders)
    SELECT account_id, plan_id, orders
    FROM unnest($5::bigint[], $6::bigint[], $7::bigint[]) AS new (account_id, plan_id, orders)
    ON CONFLICT (account_id, plan_id) DO UPDATE SET orders = EXCLUDED.orders
), balanced AS (
    UPDATE account
    SET balance_cents = new.balance_cents, ledger_version = new.ledger_version
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
      AS new (account_id, version_before, ledger_version, balance_cents)
    WHERE account.id = new.account_id AND account.ledger_version = new.version_before
    RETURNING 1
)
SELECT count(*) FROM balanced
