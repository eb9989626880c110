-- an order is refunded once, when it failed, and exactly what was charged
SELECT format('order %s (%s): net %s, refunded %s in %s entries', orders.uuid, orders.status, orders.net_cents,
              COALESCE(refunds.cents, 0), COALESCE(refunds.entries, 0)) AS breach
FROM orders
LEFT JOIN (
    SELECT order_id, min(account_id) AS account_id, sum(amount_cents) AS cents, count(*) AS entries
    FROM transfer
    WHERE kind = 'refund'
    GROUP BY order_id
) AS refunds ON refunds.order_id = orders.id
WHERE (orders.status = 'failed' AND COALESCE(refunds.cents, 0) <> orders.net_cents)
   OR (orders.status <> 'failed' AND refunds.entries IS NOT NULL)
   OR refunds.entries > 1
   OR refunds.account_id <> orders.account_id
UNION ALL
SELECT format('account %s, entry %s: a refund of no order', transfer.account_id, transfer.version)
FROM transfer
LEFT JOIN orders ON orders.id = transfer.order_id
WHERE transfer.kind = 'refund' AND orders.id IS NULL
