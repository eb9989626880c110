-- an order and an account came to their status by legal moves that each begin where the last one ended
SELECT format('order %s: %s since %s, last move to %s at %s', orders.uuid, orders.status, orders.updated_at,
              COALESCE(last_move.to_status, 'none'), last_move.created_at) AS breach
FROM orders
LEFT JOIN (
    SELECT DISTINCT ON (order_id) order_id, to_status, created_at FROM order_move ORDER BY order_id, id DESC
) AS last_move ON last_move.order_id = orders.id
WHERE CASE WHEN last_move.order_id IS NULL THEN orders.status NOT IN ('active', 'pending', 'awaiting_payment')
           ELSE orders.status <> last_move.to_status END
   -- An order changes by moves alone: one without its row shows by the time that it left.
   OR orders.updated_at <> COALESCE(last_move.created_at, orders.created_at)
UNION ALL
SELECT format('order %s: a move from %s after one to %s', order_id, from_status, COALESCE(status_before, 'nothing'))
FROM (
    SELECT order_id, from_status, lag(to_status) OVER (PARTITION BY order_id ORDER BY id) AS status_before
    FROM order_move
) AS move
WHERE from_status <> status_before
   OR (status_before IS NULL AND from_status NOT IN ('active', 'pending', 'awaiting_payment'))
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
SELECT format('order %s: a move that stands on account %s', order_move.order_id, order_move.account_id)
FROM order_move
LEFT JOIN orders ON orders.id = order_move.order_id AND orders.account_id = order_move.account_id
WHERE orders.id IS NULL
UNION ALL
-- Whose time has not passed is not expired, and only what was sold without a term has no end.
SELECT format('order %s: %s, %s until %s', uuid, status, COALESCE(term, 'no term'), expires_at)
FROM orders
WHERE CASE WHEN status IN ('awaiting_payment', 'pending', 'invoice_expired') THEN expires_at IS NOT NULL
           WHEN status = 'failed' THEN false
           ELSE (term IS NULL) <> (expires_at IS NULL) END
   OR (status = 'expired' AND (expires_at IS NULL OR expires_at > updated_at))
UNION ALL
SELECT format('account %s: %s, last move to %s', account.id, account.status, COALESCE(last_move.to_status, 'none'))
FROM account
LEFT JOIN (
    SELECT DISTINCT ON (account_id) account_id, to_status FROM account_move ORDER BY account_id, id DESC
) AS last_move ON last_move.account_id = account.id
WHERE account.status <> COALESCE(last_move.to_status, 'active')
UNION ALL
SELECT format('account %s: a move from %s to %s, after one to %s', account_id, from_status, to_status, status_before)
FROM (
    SELECT account_id, from_status, to_status,
           lag(to_status, 1, 'active') OVER (PARTITION BY account_id ORDER BY id) AS status_before
    FROM account_move
) AS move
WHERE from_status <> status_before
   OR to_status = from_status
   OR to_status <> ALL (ARRAY['active', 'suspended'])
