-- Every customer, oldest first. The number of orders is counted from the per-plan counters, not from the orders.
SELECT id, uuid, email, name, status, balance_cents, created_at,
       (SELECT COALESCE(sum(orders), 0)::bigint FROM account_plan WHERE account_plan.account_id = account.id) AS orders
FROM account
WHERE kind = 'customer'
ORDER BY id
