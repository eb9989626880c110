-- The newest ids that are committed, each from the end of its primary key.
SELECT COALESCE((SELECT max(id) FROM orders), 0) AS order_id,
       COALESCE((SELECT max(id) FROM order_move), 0) AS order_move_id,
       COALESCE((SELECT max(id) FROM transfer), 0) AS transfer_id,
       COALESCE((SELECT max(id) FROM account_move), 0) AS account_move_id
