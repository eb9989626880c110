-- Keeps what an audit found. It is written after the audit's snapshot was given back, so nothing is held meanwhile.
INSERT INTO audit_run (started_at, finished_at, findings, breaches)
VALUES ($1, clock_timestamp(), $2::text::jsonb, $3)
