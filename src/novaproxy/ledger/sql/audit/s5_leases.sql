-- what is leased of an order is what the gateways that have not ended hold of it
SELECT format('order %s: leased %s, held by gateways %s', COALESCE(meter.order_id, held.order_id),
              COALESCE(meter.leased_bytes::text, 'without a meter'), COALESCE(held.bytes, 0)) AS breach
FROM meter
FULL JOIN (
    SELECT lease.order_id, sum(lease.leased_bytes) AS bytes
    FROM lease
    JOIN gateway ON gateway.id = lease.gateway_id AND gateway.ended_at IS NULL
    GROUP BY lease.order_id
) AS held ON held.order_id = meter.order_id
WHERE meter.leased_bytes IS DISTINCT FROM COALESCE(held.bytes, 0)
UNION ALL
SELECT format('order %s: a lease of gateway %s, which %s', lease.order_id, lease.gateway_id,
              CASE WHEN gateway.id IS NULL THEN 'is not there' ELSE 'has ended' END)
FROM lease
LEFT JOIN gateway ON gateway.id = lease.gateway_id
WHERE gateway.id IS NULL OR gateway.ended_at IS NOT NULL
UNION ALL
SELECT format('order %s: a lease that stands on account %s', lease.order_id, lease.account_id)
FROM lease
JOIN meter ON meter.order_id = lease.order_id
WHERE lease.account_id <> meter.account_id
