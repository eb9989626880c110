-- Locks one account, in the mode in which its orders do: what is under way is done before, what comes later sees what
-- this transaction writes.
SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE
