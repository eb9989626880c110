-- One round of gateway $1, in one statement and so one transaction; what holds under load stands with the function.
SELECT standing, order_id, is_here, is_metered, is_sold, is_exhausted, leased_bytes, free_bytes, tunnels,
       bytes_per_second
FROM settle_round($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
