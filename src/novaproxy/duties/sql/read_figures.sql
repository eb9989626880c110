-- The sum of all customers' balances, which reads each account once and locks none; the orders that wait for delivery,
-- along their own small index; and the currency of the newest catalog.
SELECT (SELECT COALESCE(sum(balance_cents), 0)::bigint FROM account WHERE kind = 'customer') AS owed_cents,
       (SELECT count(*) FROM orders WHERE status = 'pending') AS pending,
       (SELECT document ->> 'currency' FROM catalog_revision ORDER BY id DESC LIMIT 1) AS currency
