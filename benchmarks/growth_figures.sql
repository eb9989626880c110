-- What the server has counted so far: WAL, the pages in it that were written whole because they were changed for the
-- first time after a checkpoint, and the pages that were not in its own buffers. Sessions tell what they did when they
-- end, so that it is asked before the service starts and after it has ended.
SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal_bytes,
       (SELECT wal_fpi FROM pg_stat_wal)::float8 AS whole_pages,
       (SELECT sum(blks_read) FROM pg_stat_database)::float8 AS pages_read,
       (SELECT COALESCE(max(id), 0) FROM orders) AS orders
