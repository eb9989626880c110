-- A page of the customers, newest first, by key. The number of orders is counted from the per-plan counters, not from
-- the orders.
SELECT id, uuid, email, name, status, balance_cents, created_at,
       (SELECT COALESCE(sum(orders), 0)::bigint FROM account_plan WHERE account_plan.account_id = account.id) AS orders
FROM account
WHERE kind = 'customer' AND ($1::bigint IS NULL OR id < $1)
ORDER BY id DESC
LIMIT $2
