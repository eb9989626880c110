-- The transactions under way that write to the four tables. Who inserts holds this lock from before he draws the row's id
-- until his transaction has ended, and everybody may see it. Readers (a backup, a long list) hold another one.
SELECT DISTINCT virtualtransaction
FROM pg_locks
WHERE locktype = 'relation'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND relation IN ('orders'::regclass, 'order_move'::regclass, 'transfer'::regclass, 'account_move'::regclass)
  AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND pid <> pg_backend_pid()
