-- each order has a meter, which holds what was bought; consumed and leased stay within it
SELECT format('order %s: initial %s, consumed %s, leased %s', orders.uuid, meter.initial_bytes, meter.consumed_bytes,
              meter.leased_bytes) AS breach
FROM orders
LEFT JOIN meter ON meter.order_id = orders.id
WHERE meter.order_id IS NULL
   OR meter.account_id <> orders.account_id
   OR meter.consumed_bytes < 0 OR meter.leased_bytes < 0
   OR meter.consumed_bytes + meter.leased_bytes > meter.initial_bytes
   OR meter.initial_bytes IS DISTINCT FROM orders.bandwidth_gb::bigint * 1073741824
UNION ALL
SELECT format('a meter of order %s, which is not there', meter.order_id)
FROM meter
LEFT JOIN orders ON orders.id = meter.order_id
WHERE orders.id IS NULL
