-- Gateways that were not seen for $1. None while the server itself has not run that long: it would miss them all.
SELECT id, uuid, host, seen_at
FROM gateway
WHERE ended_at IS NULL AND seen_at < now() - $1::interval AND pg_postmaster_start_time() < now() - $1::interval
ORDER BY id
