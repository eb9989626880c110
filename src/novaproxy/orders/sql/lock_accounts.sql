-- Locks accounts in id order, as everybody does. Behind a transaction whose end is unknown, this waits for that end.
SELECT id FROM account WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE
