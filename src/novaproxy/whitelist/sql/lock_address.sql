-- Held to the end of the transaction, taken behind the order's lock: of two orders that list one address at the same
-- moment the second looks when the first is committed. Who holds it waits for nobody, so there are no circles.
SELECT pg_advisory_xact_lock($1, hashtext(host($2)))
