-- The transfer that a reference already brought. Asked behind the account's lock, in a statement of its own.
SELECT kind, amount_cents FROM transfer WHERE account_id = $1 AND reference = $2
