-- How a session plans that loads in bulk. Each row's foreign keys are looked up by statements of the server's own: planned
-- once and not for each row (tried: 60 percent more time), and by key, also those that were planned while a table was small.
SET plan_cache_mode = auto;
SET enable_seqscan = off
