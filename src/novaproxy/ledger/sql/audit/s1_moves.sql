-- an order and an account came to their status by legal moves that each begin where the last one ended
SELECT format('order %s: %s, last move to %s', orders.uuid, orders.status, COALESCE(last_move.to_status, 'none')) AS breach
FROM orders
LEFT JOIN (
    SELECT DISTINCT ON (order_id) order_id, to_status FROM order_move ORDER BY order_id, id DESC
) AS last_move ON last_move.order_id = orders.id
WHERE CASE WHEN last_move.order_id IS NULL THEN orders.status NOT IN ('active', 'pending', 'awaiting_payment')
           ELSE orders.status <> last_move.to_status END
UNION ALL
SELECT format('order %s: a move from %s after one to %s', order_id, from_status, status_before)
FROM (
    SELECT order_id, from_status, lag(to_status) OVER (PARTITION BY order_id ORDER BY id) AS status_before
    FROM order_move
) AS move
WHERE from_status <> status_before
UNION ALL
SELECT format('order %s: a move from %s to %s', order_id, from_status, to_status)
FROM order_move
WHERE (from_status, to_status) NOT IN (
    ('awaiting_payment', 'pending'), ('awaiting_payment', 'active'), ('awaiting_payment', 'invoice_expired'),
    ('pending', 'active'), ('pending', 'failed'),
    ('active', 'inactive'), ('active', 'expired'), ('active', 'exhausted'),
    ('inactive', 'active'), ('inactive', 'expired'),
    ('expired', 'active'), ('exhausted', 'active'), ('exhausted', 'expired'))
UNION ALL
SELECT format('account %s: %s, last move to %s', account.id, account.status, COALESCE(last_move.to_status, 'none'))
FROM account
LEFT JOIN (
    SELECT DISTINCT ON (account_id) account_id, to_status FROM account_move ORDER BY account_id, id DESC
) AS last_move ON last_move.account_id = account.id
WHERE account.status <> COALESCE(last_move.to_status, 'active')
UNION ALL
SELECT format('account %s: a move from %s after one to %s', account_id, from_status, status_before)
FROM (
    SELECT account_id, from_status, lag(to_status, 1, 'active') OVER (PARTITION BY account_id ORDER BY id) AS status_before
    FROM account_move
) AS move
WHERE from_status <> status_before
