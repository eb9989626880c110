-- The entries of one order: its charge and its refund at most, by the unique key on (order_id, kind).
SELECT transfer.version, transfer.balance_after_cents, transfer.kind, transfer.reason, transfer.reference,
       transfer.actor, transfer.created_at,
       CASE WHEN transfer.credit_account_id = transfer.account_id THEN transfer.amount_cents ELSE -transfer.amount_cents END
           AS amount_cents,
       orders.uuid AS order_uuid
FROM transfer
JOIN orders ON orders.id = transfer.order_id
WHERE transfer.order_id = $1
ORDER BY transfer.version
