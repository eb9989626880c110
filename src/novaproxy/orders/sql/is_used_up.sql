-- Whether all that was bought with an order is counted, behind its lock; never where it is unmetered.
SELECT COALESCE(consumed_bytes >= initial_bytes, false) FROM meter WHERE order_id = $1
