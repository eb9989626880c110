-- What the newest audit found, along the primary key.
SELECT finished_at, findings FROM audit_run ORDER BY id DESC LIMIT 1
