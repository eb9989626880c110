-- Writes a gateway down; the same uuid again, after an answer that was lost, is the same gateway.
INSERT INTO gateway (uuid, host, started_at, seen_at)
VALUES ($1, $2, clock_timestamp(), clock_timestamp())
ON CONFLICT (uuid) DO UPDATE SET seen_at = GREATEST(gateway.seen_at, EXCLUDED.seen_at)
RETURNING id
