-- what was charged for lost gateways stands in the usage, and each of those gateways is marked
SELECT format('order %s: charged for lost gateways %s, in the usage %s', COALESCE(charged.order_id, used.order_id),
              COALESCE(charged.bytes, 0), COALESCE(used.bytes, 0)) AS breach
FROM (SELECT order_id, sum(bytes) AS bytes FROM lost_lease GROUP BY order_id) AS charged
FULL JOIN (
    SELECT order_id, sum(lost_bytes) AS bytes FROM usage_hour WHERE lost_bytes <> 0 GROUP BY order_id
) AS used ON used.order_id = charged.order_id
WHERE COALESCE(charged.bytes, 0) <> COALESCE(used.bytes, 0)
UNION ALL
SELECT format('order %s: charged for gateway %s, which is not lost', lost_lease.order_id, lost_lease.gateway_id)
FROM lost_lease
LEFT JOIN gateway ON gateway.id = lost_lease.gateway_id
WHERE gateway.is_lost IS DISTINCT FROM true
UNION ALL
SELECT format('order %s: charged on account %s', lost_lease.order_id, lost_lease.account_id)
FROM lost_lease
LEFT JOIN meter ON meter.order_id = lost_lease.order_id
WHERE meter.account_id IS DISTINCT FROM lost_lease.account_id
