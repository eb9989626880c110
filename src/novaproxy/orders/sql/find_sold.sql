-- What of an order never changes; it says whose account and which code to lock, in the order in which everybody does.
SELECT account_id, discount_code_id, net_cents FROM orders WHERE uuid = $1
