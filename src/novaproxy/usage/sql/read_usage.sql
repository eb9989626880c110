-- What an order used in each interval ($4: hour or day) from $2 on, before $3: a range of both tables' keys, in one
-- statement, so that what is settled meanwhile is in all of the answer or in none of it. Empty intervals give no row.
WITH used AS (
    SELECT date_trunc($4, hour, 'UTC') AS began_at,
           sum(up_bytes)::bigint AS up_bytes, sum(down_bytes)::bigint AS down_bytes,
           sum(lost_bytes)::bigint AS lost_bytes, sum(connections)::bigint AS connections
    FROM usage_hour
    WHERE order_id = $1 AND hour >= $2 AND hour < $3
    GROUP BY 1
), refused_by_reason AS (
    SELECT date_trunc($4, hour, 'UTC') AS began_at, reason, sum(refusals)::bigint AS refusals
    FROM usage_refusal
    WHERE order_id = $1 AND hour >= $2 AND hour < $3
    GROUP BY 1, 2
), refused AS (
    SELECT began_at, array_agg(reason ORDER BY reason) AS reasons, array_agg(refusals ORDER BY reason) AS refusals
    FROM refused_by_reason
    GROUP BY 1
)
SELECT began_at, coalesce(up_bytes, 0) AS up_bytes, coalesce(down_bytes, 0) AS down_bytes,
       coalesce(lost_bytes, 0) AS lost_bytes, coalesce(connections, 0) AS connections,
       coalesce(reasons, '{}') AS reasons, coalesce(refusals, '{}') AS refusals
FROM used
FULL JOIN refused USING (began_at)
WHERE up_bytes > 0 OR down_bytes > 0 OR lost_bytes > 0 OR connections > 0 OR refusals IS NOT NULL
ORDER BY began_at
