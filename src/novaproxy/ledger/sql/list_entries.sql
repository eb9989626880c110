-- A page of an account's ledger, newest first, along the unique key on (account_id, version).
SELECT transfer.version, transfer.balance_after_cents, transfer.kind, transfer.reason, transfer.reference,
       transfer.actor, transfer.created_at,
       CASE WHEN transfer.credit_account_id = transfer.account_id THEN transfer.amount_cents ELSE -transfer.amount_cents END
           AS amount_cents,
       orders.uuid AS order_uuid
FROM transfer
LEFT JOIN orders ON orders.id = transfer.order_id
WHERE transfer.account_id = $1 AND transfer.version < $2
ORDER BY transfer.version DESC
LIMIT $3
