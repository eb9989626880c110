-- Locks one order. Its status is read in a later statement, together with a time after the wait.
SELECT id FROM orders WHERE uuid = $1 FOR NO KEY UPDATE
