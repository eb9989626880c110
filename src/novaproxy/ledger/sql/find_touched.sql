-- The orders and accounts that something new belongs to ($1..$4: the marks of orders, moves, entries, accounts' moves),
-- along the primary keys.
WITH new_order AS (
    SELECT id, account_id FROM orders WHERE id > $1
), new_move AS (
    SELECT order_id, account_id FROM order_move WHERE id > $2
), new_transfer AS (
    SELECT order_id, account_id FROM transfer WHERE id > $3
)
SELECT ARRAY(SELECT id FROM new_order
             UNION SELECT order_id FROM new_move
             UNION SELECT order_id FROM new_transfer WHERE order_id IS NOT NULL) AS order_ids,
       ARRAY(SELECT account_id FROM new_order
             UNION SELECT account_id FROM new_move
             UNION SELECT account_id FROM new_transfer
             UNION SELECT account_id FROM account_move WHERE id > $4) AS account_ids,
       (SELECT count(*) FROM new_transfer) AS entries
