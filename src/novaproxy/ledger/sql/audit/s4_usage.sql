-- what an order has consumed is the sum of its usage by the hour: what passed, and what was charged for lost gateways
SELECT format('order %s: consumed %s, used by the hour %s', COALESCE(meter.order_id, used.order_id),
              COALESCE(meter.consumed_bytes::text, 'without a meter'), COALESCE(used.bytes, 0)) AS breach
FROM meter
FULL JOIN (
    SELECT order_id, sum(up_bytes + down_bytes + lost_bytes) AS bytes FROM usage_hour GROUP BY order_id
) AS used ON used.order_id = meter.order_id
WHERE meter.consumed_bytes IS DISTINCT FROM COALESCE(used.bytes, 0)
UNION ALL
SELECT format('order %s: usage that stands on account %s', usage_hour.order_id, usage_hour.account_id)
FROM usage_hour
JOIN meter ON meter.order_id = usage_hour.order_id
WHERE usage_hour.account_id <> meter.account_id
   OR LEAST(usage_hour.up_bytes, usage_hour.down_bytes, usage_hour.lost_bytes, usage_hour.connections) < 0
