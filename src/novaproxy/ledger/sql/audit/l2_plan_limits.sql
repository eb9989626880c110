-- an account's orders of a plan are counted exactly, and within the plan's limit
WITH counted AS (
    SELECT account_id, plan_id, count(*) AS orders, max(id) AS newest
    FROM orders
    WHERE status NOT IN ('failed', 'invoice_expired')
    GROUP BY account_id, plan_id
), allowed AS (
    SELECT catalog_revision.id AS revision, (plan ->> 'id')::bigint AS plan_id,
           (plan ->> 'max_orders_per_account')::bigint AS orders
    FROM catalog_revision, jsonb_array_elements(catalog_revision.document -> 'plans') AS plan
)
SELECT format('account %s, plan %s: %s counted, %s orders', COALESCE(account_plan.account_id, counted.account_id),
              COALESCE(account_plan.plan_id, counted.plan_id), COALESCE(account_plan.orders, 0),
              COALESCE(counted.orders, 0)) AS breach
FROM account_plan
FULL JOIN counted ON counted.account_id = account_plan.account_id AND counted.plan_id = account_plan.plan_id
WHERE COALESCE(account_plan.orders, 0) <> COALESCE(counted.orders, 0)
UNION ALL
SELECT format('account %s, plan %s: %s orders of %s', counted.account_id, counted.plan_id, counted.orders, allowed.orders)
FROM counted
JOIN orders ON orders.id = counted.newest
JOIN allowed ON allowed.revision = orders.catalog_revision AND allowed.plan_id = counted.plan_id
WHERE counted.orders > allowed.orders
