-- Held to the end of the transaction: the order's status stays, and its addresses are counted by one at a time.
SELECT id FROM orders WHERE uuid = $1 FOR NO KEY UPDATE
