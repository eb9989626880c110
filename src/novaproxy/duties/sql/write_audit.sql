-- Keeps what an audit found. It is written after the audit's snapshot was given back, so nothing is held meanwhile.
INSERT INTO audit_run (started_at, finished_at, findings, breaches, form, covered)
VALUES ($1, clock_timestamp(), $2::text::jsonb, $3, $4, $5::text::jsonb)
