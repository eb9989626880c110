-- Those of some addresses ($2) that their orders ($1) list no more: by key alone.
SELECT used.order_id, used.address
FROM unnest($1::bigint[], $2::inet[]) AS used (order_id, address)
WHERE NOT EXISTS (
    SELECT FROM whitelist_address
    WHERE whitelist_address.order_id = used.order_id AND whitelist_address.address = used.address
)
