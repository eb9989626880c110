-- How far the audits came; no row before the first whole one.
SELECT order_id, order_move_id, transfer_id, account_move_id FROM audit_mark
