-- What the orders of a chunk are decided on, behind the locks of their accounts: asked in a statement after the one that
-- locked them, so that what came before the lock is seen, and its time is one after the wait. No entry of an account is
-- younger than last_at.
SELECT account.id, account.balance_cents, account.ledger_version,
       GREATEST(account.created_at,
                (SELECT created_at FROM transfer
                 WHERE transfer.account_id = account.id AND transfer.version = account.ledger_version)) AS last_at,
       COALESCE(counted.plan_ids, '{}') AS plan_ids, COALESCE(counted.plan_orders, '{}') AS plan_orders,
       statement_timestamp() AS now, (SELECT id FROM catalog_revision ORDER BY id DESC LIMIT 1) AS revision,
       (SELECT created_at FROM catalog_revision ORDER BY id DESC LIMIT 1) AS catalog_applied_at
FROM account
CROSS JOIN LATERAL (SELECT array_agg(plan_id) AS plan_ids, array_agg(orders) AS plan_orders
                    FROM account_plan
                    WHERE account_plan.account_id = account.id) AS counted
WHERE account.id = ANY ($1::bigint[]) AND account.status = 'active'
