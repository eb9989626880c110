-- Moves the mark on; never back, for the whole audit and that of what is new may end in either order.
INSERT INTO audit_mark (order_id, order_move_id, transfer_id, account_move_id, marked_at)
VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (is_only) DO UPDATE
SET order_id = GREATEST(audit_mark.order_id, EXCLUDED.order_id),
    order_move_id = GREATEST(audit_mark.order_move_id, EXCLUDED.order_move_id),
    transfer_id = GREATEST(audit_mark.transfer_id, EXCLUDED.transfer_id),
    account_move_id = GREATEST(audit_mark.account_move_id, EXCLUDED.account_move_id),
    marked_at = EXCLUDED.marked_at
