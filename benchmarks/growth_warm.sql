-- Reads what orders of random accounts need at random places, as in a shop that has been open for hours; what does not
-- fit into the server's buffers falls out of them again.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET max_parallel_workers_per_gather = 0;
SELECT count(*) FROM orders WHERE username > '';
SELECT count(*) FROM orders WHERE account_id > 0 AND created_at > '-infinity';
SELECT count(*) FROM transfer WHERE account_id > 0 AND version > 0;
SELECT count(name) FROM api_token WHERE token_hash > '';
SELECT count(status) FROM account WHERE id > 0;
SELECT count(orders) FROM account_plan WHERE account_id > 0;
